// Pods: the list of their lives, and the panel with one pod's life and its why.

const STATE_COLOURS = ["ready", "unready", "starting", "pending", "terminating", "succeeded", "failed", "unknown"];
const ROW_PX = 22;

/** The step in which a pod is at a moment; -1 before it came. */
function stepAt(pod, ms) {
  const { starts, t } = page.data.lives;
  return placeOf(t, ms, starts[pod], starts[pod + 1]);
}

function stateName(state) {
  return page.data.pods.states[state] || "gone";
}

/** The life of a pod as coloured stretches. */
function lifeBar(pod) {
  const { starts, t, state } = page.data.lives, bar = make("span", { class: "life" });
  let last = -1;
  for (let step = starts[pod]; step < starts[pod + 1]; step++) {
    if (state[step] >= STATE_COLOURS.length) continue;
    const until = step + 1 < starts[pod + 1] ? t[step + 1] : page.data.end_ms;
    const left = percentOf(t[step]), right = percentOf(until);
    if (right - left < .04 && left - last < .04) continue;
    last = left;
    bar.append(make("i", { style: `left:${left}%;width:${right - left}%;background:var(--${STATE_COLOURS[state[step]]})` }));
  }
  return bar;
}

function podList(section) {
  const { pods, texts, lives } = page.data, count = pods.names.length;
  const search = make("input", { type: "search", placeholder: "name, owner or node", "aria-label": "Search pods", oninput: () => choose() });
  const states = make("select", { "aria-label": "State at the instant", onchange: () => choose() }, make("option", { value: "" }, "in any state"),
    make("option", { value: "there" }, "that exist at the instant"), ...pods.states.map((name, at) => make("option", { value: at }, name + " at the instant")));
  const order = make("select", { "aria-label": "Order", onchange: () => choose() }, make("option", { value: "made" }, "in order of creation"),
    make("option", { value: "restarts" }, "most restarts first"), make("option", { value: "wait" }, "longest without a node first"));
  const bar = section.querySelector(".bar");
  for (const control of [search, states, order]) bar.insertBefore(control, bar.lastElementChild);
  const found = make("p", { class: "tip" });
  const pad = make("div", { class: "pad" }), rows = make("div", { class: "rows" }, pad);
  section.append(found, rows, make("div", { class: "pod", style: "position:static;height:18px" }, make("span"), timeAxis()));
  const last = (pod) => lives.starts[pod + 1] - 1;
  const PENDING = pods.states.indexOf("Pending");
  const waited = (pod) => {
    let step = lives.starts[pod];
    while (step < lives.starts[pod + 1] && lives.state[step] === PENDING) step++;
    return (step < lives.starts[pod + 1] ? lives.t[step] : page.data.end_ms) - lives.t[lives.starts[pod]];
  };
  let list = [];
  function choose() {
    const words = search.value.trim().toLowerCase(), state = states.value;
    list = [];
    for (let pod = 0; pod < count; pod++) {
      if (state !== "") {
        const step = stepAt(pod, page.instant), now = step < 0 ? 99 : lives.state[step];
        if (state === "there" ? now >= pods.states.length : now !== +state) continue;
      }
      if (words) {
        const hay = pods.names[pod] + " " + texts[pods.owners[pod]] + " " + texts[lives.node[last(pod)]];
        if (!hay.toLowerCase().includes(words)) continue;
      }
      list.push(pod);
    }
    if (order.value === "restarts") list.sort((a, b) => lives.restarts[last(b)] - lives.restarts[last(a)] || a - b);
    if (order.value === "wait") {
      const waits = new Map(list.map((pod) => [pod, waited(pod)]));
      list.sort((a, b) => waits.get(b) - waits.get(a) || a - b);
    }
    found.textContent = list.length === count ? `${number(count)} pods; click on one for its life and its why` : `${number(list.length)} of ${number(count)} pods`;
    // Browsers draw elements only up to some millions of pixels.
    pad.style.height = list.length * ROW_PX + "px";
    rows.style.height = Math.min(380, Math.max(list.length, 1) * ROW_PX + 2) + "px";
    draw();
  }
  function draw() {
    const first = Math.max(0, Math.floor(rows.scrollTop / ROW_PX) - 4), until = Math.min(list.length, first + 30);
    const shown = [];
    for (let at = first; at < until; at++) {
      const pod = list[at], life = lifeBar(pod);
      life.append(make("span", { class: "mark", style: `left:${percentOf(page.instant)}%` }));
      shown.push(make("button", { type: "button", class: "pod", "data-pod": pod, style: `top:${at * ROW_PX}px`, title: pods.names[pod], onclick: () => showPod(pod) },
        make("span", { class: "name" }, pods.names[pod]), life));
    }
    pad.replaceChildren(...shown);
  }
  rows.addEventListener("scroll", draw);
  page.watchers.push((ms) => {
    if (states.value !== "") choose();
    else for (const mark of pad.querySelectorAll(".mark")) mark.style.left = percentOf(ms) + "%";
  });
  choose();
}

/** Rows of all lives for a file. */
function lifeRows(only) {
  const { pods, lives, texts } = page.data, rows = [["pod", "owner", "time_s", "state", "node", "note", "restarts"]];
  for (let pod = 0; pod < pods.names.length; pod++) {
    if (only !== undefined && pod !== only) continue;
    for (let step = lives.starts[pod]; step < lives.starts[pod + 1]; step++) {
      rows.push([pods.names[pod], texts[pods.owners[pod]], lives.t[step] / 1000, stateName(lives.state[step]), texts[lives.node[step]], texts[lives.note[step]], lives.restarts[step]]);
    }
  }
  return rows;
}

function openPanel(...children) {
  $("panel").replaceChildren(make("button", { type: "button", class: "close", onclick: closePanel }, "Close"), ...children.filter((child) => child !== null && child !== undefined));
  $("panel").hidden = false;
}

function closePanel() {
  $("panel").hidden = true;
  page.panel = null;
}

/** How to ask about a pod on the command line. */
function asked(command, name) {
  const [namespace, own] = name.includes("/") ? name.split("/") : ["", name];
  return `wavetank ${command} pod/${own}${namespace ? " -n " + namespace : ""} ${page.data.ask} --at ${page.instant}ms`;
}

function showPod(pod) {
  const { pods, lives, texts, events, why, explained } = page.data, name = pods.names[pod];
  const from = lives.starts[pod], until = lives.starts[pod + 1], now = stepAt(pod, page.instant);
  const key = (state) => make("span", { class: "key" }, make("i", { style: `background:var(--${STATE_COLOURS[state] || "line"})` }), stateName(state));
  const steps = [];
  for (let step = from; step < until; step++) {
    steps.push(make("tr", { class: step > now ? "later" : "" }, make("td", { class: "t" }, clock(lives.t[step])), make("td", {}, key(lives.state[step])),
      make("td", { class: "m" }, texts[lives.node[step]]), make("td", { class: "m" }, texts[lives.note[step]]), make("td", { class: "n" }, lives.restarts[step] || "")));
  }
  const about = texts.indexOf("pod/" + name), said = [];
  if (about >= 0) {
    events.rows.about.forEach((of, row) => {
      if (of !== about) return;
      said.push(make("tr", {}, make("td", { class: "t" }, clock(events.rows.t[row])),
        make("td", { class: events.rows.warning[row] ? "warn" : "" }, texts[events.rows.reason[row]] + (events.rows.count[row] > 1 ? " ×" + events.rows.count[row] : "")),
        make("td", { class: "m" }, texts[events.rows.message[row]])));
    });
  }
  const table = (heads, rows) => make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", {}, head)))), make("tbody", {}, ...rows));
  const chains = (why && why[pod]) || [];
  const told = chains.map((chain) => make("div", {}, make("h3", {}, "Why it was " + chain.what), make("div", { class: "chain" },
    ...chain.steps.map(([ms, text], at) => make("p", {}, make("time", {}, clock(ms)), (at ? "because " : "") + texts[text])))));
  if (!told.length) told.push(make("h3", {}, "Why"), make("p", {}, "Ask: ", make("code", {}, asked("why", name))));
  const decisions = explained[pod] === undefined ? null : make("pre", { class: "explained" }, explained[pod]);
  told.push(make("h3", {}, "Where it was put"), decisions, make("p", {}, "Ask: ", make("code", {}, asked("explain", name))));
  page.panel = () => showPod(pod);
  openPanel(make("h2", {}, "pod/" + name), make("dl", {},
    make("dt", {}, "at " + clock(page.instant)), make("dd", { "data-now": "" }, now < 0 ? "not there yet" : key(lives.state[now])),
    make("dt", {}, "owner"), make("dd", {}, texts[pods.owners[pod]] || "none"),
    make("dt", {}, "node"), make("dd", {}, (now >= 0 && texts[lives.node[now]]) || "none"),
    make("dt", {}, "restarts"), make("dd", {}, now < 0 ? 0 : lives.restarts[now])),
  lifeBar(pod).childElementCount ? make("div", { class: "pod", style: "position:static;grid-template-columns:1fr" }, lifeBar(pod)) : null,
  make("div", { class: "bar" }, make("h3", {}, "Life"), make("span", { class: "grow" }), csvLink("pod-" + name.replaceAll("/", "-"), () => lifeRows(pod))),
  table(["time", "state", "node", "note", "restarts"], steps), ...told,
  make("h3", {}, "Events"), said.length ? table(["first", "reason", "message"], said) : make("p", { class: "empty" }, "None in this report."));
}

/** The pods on a node at the instant. */
function showNode(name) {
  const { pods, lives, texts } = page.data, rows = [];
  let more = 0;
  for (let pod = 0; pod < pods.names.length; pod++) {
    const step = stepAt(pod, page.instant);
    if (step < 0 || lives.state[step] >= pods.states.length || texts[lives.node[step]] !== name) continue;
    if (rows.length >= 500) { more++; continue; }
    rows.push(make("p", {}, make("button", { type: "button", class: "link", onclick: () => showPod(pod) }, pods.names[pod]), " ", make("span", { class: "dim" }, stateName(lives.state[step]))));
  }
  page.panel = () => showNode(name);
  openPanel(make("h2", {}, "node/" + name), make("p", { class: "dim" }, `${rows.length + more} pods at ${clock(page.instant)}`), ...rows, more ? make("p", { class: "dim" }, `and ${more} more`) : null);
}
