// The sections of the page, in the order in which they stand, and the instant that they share.

function fillHead() {
  const { data } = page, { summary } = data;
  $("title").textContent = data.scene;
  $("facts").textContent = `seed ${data.seed} · ${clock(data.end_ms, true)} of virtual time · digest ${summary.digest}`;
  const hours = { nodes: 0, cpu: 0, asked: 0 }, { t, v } = data.nodes.series;
  t.forEach((from, at) => {
    const passed = ((at + 1 < t.length ? t[at + 1] : data.end_ms) - from) / 3600000;
    hours.nodes += v[0][at] * passed; hours.cpu += v[2][at] / 1000 * passed; hours.asked += v[3][at] / 1000 * passed;
  });
  const flows = summary.traffic || [], sent = flows.reduce((sum, flow) => sum + flow.sent, 0), served = flows.reduce((sum, flow) => sum + flow.served, 0);
  const tiles = [
    [number(summary.nodes), "nodes at the end"], [number(hours.nodes), "node hours"],
    [hours.cpu > 0 ? number(hours.asked / hours.cpu * 100, 1) + " %" : "–", "of CPU requested, over time"],
    [number(summary.pods.created), "pods created"], [number(summary.pods.ready), "ready at the end"], [number(summary.pods.pending), "pending at the end", summary.pods.pending ? "warn" : ""],
    [summary.waited.pods ? number(summary.waited.virtual_s_max, 1) + " s" : "–", "longest wait for a node"],
    [number(summary.evictions), "evictions"], [number(summary.restarts), "restarts"],
  ];
  if (sent) tiles.push([number(served / sent * 100, 2) + " %", "of requests served", served < sent ? "warn" : "good"]);
  $("tiles").replaceChildren(...tiles.map(([value, name, kind]) => make("div", { class: "tile" }, make("b", { class: kind || "" }, value), make("span", {}, name))));
  if (data.left_out.length) {
    $("left").hidden = false;
    $("left").replaceChildren("Not in this report:", make("ul", {}, ...data.left_out.map((one) => make("li", {}, one))));
  }
}

function fillExpectations() {
  const { met, missed } = page.data.summary.expectations, section = $("expectations");
  if (met + missed.length === 0) { section.hidden = true; return; }
  section.className = missed.length ? "note bad" : "note good";
  section.append(make("b", { class: missed.length ? "bad" : "good" }, missed.length ? `${missed.length} of ${met + missed.length} expectations missed` : `All ${met} expectations met`));
  if (missed.length) section.append(make("ul", {}, ...missed.map((one) => make("li", {}, one))));
}

function fillPods() {
  const { pods } = page.data, { t, v } = pods.series;
  const lines = pods.states.map((name, at) => ({ name, colour: STATE_COLOURS[at], values: v[at] })).filter((line) => line.values.some((value) => value > 0));
  const over = card("podtime", "Pods by state", csvLink("pods-by-state", () => chartRows(t, lines)));
  const list = card("pods", "Lives of pods", csvLink("pod-lives", () => lifeRows()));
  if (!lines.length) {
    empty(over, "This run has no pods.");
    list.hidden = true;
    return;
  }
  chart(over, { t, lines, unit: "pods", stacked: true, height: 240, digits: 0 });
  podList(list);
}

function fillCapacity() {
  const { t, v } = page.data.nodes.series;
  const scaled = (column, by) => Array.from(column, (value) => value / by);
  const cpu = [{ name: "allocatable", colour: "dim", values: scaled(v[2], 1000) }, { name: "requested", colour: "accent", values: scaled(v[3], 1000), fill: true }];
  const memory = [{ name: "allocatable", colour: "dim", values: scaled(v[4], 2 ** 30) }, { name: "requested", colour: "accent", values: scaled(v[5], 2 ** 30), fill: true }];
  const section = card("capacity", "Capacity", csvLink("capacity", () => {
    const all = [{ name: "nodes", values: v[0] }, { name: "nodes_ready", values: v[1] }, ...[["cpu_cores", cpu], ["memory_gib", memory]].flatMap(([of, lines]) => lines.map((line) => ({ name: of + "_" + line.name, values: line.values })))];
    return chartRows(t, all);
  }));
  if (!t.length || !page.data.nodes.names.length) return empty(section, "This run has no nodes.");
  const two = make("div", { class: "two" }), boxes = ["CPU", "Memory"].map((name) => make("div", {}, make("h3", {}, name)));
  two.append(...boxes);
  section.append(two);
  chart(boxes[0], { t, lines: cpu, unit: "cores", height: 180 });
  chart(boxes[1], { t, lines: memory, unit: "GiB", height: 180 });
}

function fillNodes() {
  let rows = () => [];
  const section = card("nodes", "Nodes over time", csvLink("nodes", () => rows()));
  if (!page.data.nodes.names.length) return empty(section, "This run has no nodes.");
  rows = heatMap(section);
}

/** A list of things of which one is drawn. */
function chooser(list, label, draw) {
  const select = make("select", { "aria-label": label, onchange: () => draw(+select.value) }, ...list.map((one, at) => make("option", { value: at }, one.name)));
  return select;
}

function fillRollouts() {
  const { workloads } = page.data;
  const names = (job) => job ? ["completions", "active", "ready", "succeeded"] : ["wanted", "updated", "ready", "available"];
  const lines = (one) => names(one.job).map((name, at) => ({ name, colour: ["dim", "starting", "ready", "succeeded"][at], values: one.series.v[at], dash: at === 0 ? [5, 4] : undefined }));
  const section = card("rollouts", "Rollouts", csvLink("rollouts", () => {
    const rows = [["workload", "time_s", "wanted_or_completions", "updated_or_active", "ready", "available_or_succeeded"]];
    for (const one of workloads) one.series.t.forEach((ms, at) => rows.push([one.name, ms / 1000, ...one.series.v.map((column) => column[at])]));
    return rows;
  }));
  if (!workloads.length) return empty(section, "This run has no workloads.");
  const table = make("tbody"), title = make("h3"), box = make("div", {}, title);
  let shown = null;
  const draw = (at) => {
    if (shown) shown.drop();
    title.textContent = workloads[at].name;
    shown = chart(box, { t: workloads[at].series.t, lines: lines(workloads[at]), unit: workloads[at].job ? "completions, pods" : "pods", height: 210, digits: 0 });
  };
  const rows = workloads.map((one, at) => {
    const cells = [0, 1, 2, 3].map(() => make("td", { class: "n" }));
    table.append(make("tr", {}, make("td", { class: "m" }, make("button", { type: "button", class: "link", onclick: () => draw(at) }, one.name)), ...cells));
    return cells;
  });
  section.append(make("div", { class: "two" }, make("div", { class: "scroller", style: "max-height:270px" }, make("table", {},
    make("thead", {}, make("tr", {}, make("th", {}, "at the instant"), ...["wanted", "updated", "ready", "available"].map((head) => make("th", { class: "n" }, head)))), table)), box));
  page.watchers.push((ms) => workloads.forEach((one, at) => {
    const place = placeOf(one.series.t, ms);
    rows[at].forEach((cell, n) => { cell.textContent = place < 0 ? "–" : number(one.series.v[n][place]); });
  }));
  let most = 0;
  workloads.forEach((one, at) => { if (one.series.t.length > workloads[most].series.t.length) most = at; });
  draw(most);
}

function fillAutoscalers() {
  const { autoscalers } = page.data;
  const divisor = (metric) => metric.unit === "% of requests" ? 1 : 1000;
  const value = (metric, raw) => raw === null || raw < 0 ? null : raw / divisor(metric);
  const link = csvLink("autoscalers", () => {
    const rows = [["autoscaler", "time_s", "what", "value", "target"]];
    for (const one of autoscalers) {
      one.series.t.forEach((ms, at) => {
        ["current", "desired", "min", "max"].forEach((name, n) => rows.push([one.name, ms / 1000, name + "_replicas", one.series.v[n][at], ""]));
        one.metrics.forEach((metric, n) => rows.push([one.name, ms / 1000, metric.name + " " + metric.unit, value(metric, one.series.v[4 + n][at]), value(metric, metric.target)]));
      });
    }
    return rows;
  });
  if (!autoscalers.length) return empty(card("autoscalers", "Autoscalers"), "This run has no HorizontalPodAutoscaler.");
  let shown = [], two = make("div", { class: "two" });
  const draw = (at) => {
    const one = autoscalers[at], { t, v } = one.series;
    shown.forEach((plot) => plot.drop());
    two.replaceChildren();
    const box = (title) => { const div = make("div", {}, make("h3", {}, title)); two.append(div); return div; };
    shown = [chart(box("Replicas of " + one.target), { t, unit: "pods", height: 200, digits: 0, lines: [
      { name: "current", colour: "ready", values: v[0], fill: true }, { name: "desired", colour: "accent", values: v[1] },
      { name: "min", colour: "dim", values: v[2], dash: [3, 4] }, { name: "max", colour: "dim", values: v[3], dash: [8, 4] }] })];
    one.metrics.forEach((metric, n) => shown.push(chart(box(metric.name), { t, unit: metric.unit, height: 200, lines: [
      { name: "measured", colour: "accent", values: v[4 + n].map((raw) => value(metric, raw)), fill: true },
      { name: "target", colour: "warn", values: v[4 + n].map(() => value(metric, metric.target)), dash: [5, 4] }] })));
  };
  const section = card("autoscalers", "Autoscalers", chooser(autoscalers, "Autoscaler", draw), link);
  section.append(two);
  draw(0);
}

function fillTraffic() {
  const { traffic, columns, from_ms: from } = page.data, NAMES = ["served", "refused", "timed out", "dropped"];
  if (!traffic.length) return empty(card("traffic", "Traffic"), "This scene sends no requests.");
  // Stretches of no length say nothing of a rate.
  const kept = Array.from(columns.keys()).filter((at) => columns[at] > (at ? columns[at - 1] : from));
  const starts = kept.map((at) => at ? columns[at - 1] : from);
  const rates = (flow) => NAMES.map((_, n) => kept.map((at, place) => (flow.sums[n][at] - (at ? flow.sums[n][at - 1] : 0)) * 1000 / (columns[at] - starts[place])));
  const all = { name: "all requests", sums: NAMES.map((_, n) => Array.from(columns, (_, at) => traffic.reduce((sum, flow) => sum + flow.sums[n][at], 0))) };
  const flows = traffic.length > 1 ? [all, ...traffic] : traffic;
  let shown = [];
  const box = make("div"), waits = make("div");
  const draw = (at) => {
    shown.forEach((plot) => plot.drop());
    waits.replaceChildren();
    const list = rates(flows[at]), latency = flows[at].latency_us;
    shown = [chart(box, { t: starts, unit: "requests/s", stacked: true, height: 200, digits: 1, lines: NAMES.map((name, n) => ({ name, colour: ["ready", "failed", "unready", "terminating"][n], values: list[n] })) })];
    if (!latency) return;
    waits.append(make("h3", {}, "Latency of those that are served"));
    const ms = (column) => kept.map((place) => column[place] === null ? null : column[place] / 1000);
    shown.push(chart(waits, { t: starts, unit: "ms", height: 140, digits: 1, lines: [{ name: "mean", colour: "ready", values: ms(latency[0]) }, { name: "p99", colour: "warn", values: ms(latency[1]) }] }));
  };
  const section = card("traffic", "Traffic", chooser(flows, "Flow", draw), csvLink("traffic", () => {
    const rows = [["flow", "from_s", ...NAMES.map((name) => name.replace(" ", "_") + "_per_s")]];
    for (const flow of traffic) { const list = rates(flow); starts.forEach((ms, at) => rows.push([flow.name, ms / 1000, ...list.map((column) => column[at])])); }
    return rows;
  }));
  section.append(box, waits);
  draw(0);
}

function fillEvents() {
  const { events, columns, texts, from_ms: from } = page.data, { rows } = events, ROWS_SHOWN = 300;
  const section = card("events", "Events", csvLink("events", () => {
    const out = [["first_s", "last_s", "type", "count", "object", "source", "reason", "message"]];
    rows.t.forEach((ms, at) => out.push([ms / 1000, (ms + rows.for_ms[at]) / 1000, rows.warning[at] ? "Warning" : "Normal", rows.count[at], texts[rows.about[at]], texts[rows.source[at]], texts[rows.reason[at]], texts[rows.message[at]]]));
    return out;
  }));
  if (!rows.t.length) return empty(section, "This run has no events.");
  const starts = Array.from(columns, (_, at) => at ? columns[at - 1] : from);
  chart(section, { t: starts, unit: "per stretch", stacked: true, height: 140, digits: 0, lines: [
    { name: "warnings", colour: "terminating", values: events.written[1] }, { name: "normal", colour: "starting", values: events.written[0] }] });
  const search = make("input", { type: "search", placeholder: "object, reason or words", "aria-label": "Search events", oninput: () => draw() });
  const kind = make("select", { "aria-label": "Type", onchange: () => draw() }, make("option", { value: "" }, "all types"), make("option", { value: "w" }, "warnings only"));
  const reason = make("select", { "aria-label": "Reason", onchange: () => draw() }, make("option", { value: "" }, "all reasons"),
    ...events.reasons.map(([name, source, , count]) => make("option", { value: name }, `${texts[name]} (${number(count)}, ${texts[source]})`)));
  const body = make("tbody"), found = make("span", { class: "dim" });
  section.append(make("div", { class: "bar", style: "margin-top:10px" }, search, kind, reason, found), make("div", { class: "scroller" },
    make("table", {}, make("thead", {}, make("tr", {}, ...["first", "count", "object", "reason", "message"].map((head) => make("th", {}, head)))), body)));
  let times = [];
  const dim = () => Array.from(body.children).forEach((row, at) => row.classList.toggle("later", times[at] > page.instant));
  function draw() {
    const words = search.value.trim().toLowerCase(), shown = [];
    times = [];
    let count = 0;
    for (let at = 0; at < rows.t.length; at++) {
      if (kind.value && !rows.warning[at]) continue;
      if (reason.value && rows.reason[at] !== +reason.value) continue;
      if (words && !(texts[rows.about[at]] + " " + texts[rows.reason[at]] + " " + texts[rows.message[at]]).toLowerCase().includes(words)) continue;
      count++;
      if (shown.length >= ROWS_SHOWN) continue;
      times.push(rows.t[at]);
      shown.push(make("tr", {}, make("td", { class: "t" }, clock(rows.t[at])), make("td", { class: "n" }, rows.count[at]), make("td", { class: "m" }, texts[rows.about[at]]),
        make("td", { class: rows.warning[at] ? "warn" : "" }, texts[rows.reason[at]]), make("td", { class: "m" }, texts[rows.message[at]])));
    }
    found.textContent = count > shown.length ? `the first ${shown.length} of ${number(count)}` : `${number(count)} events`;
    body.replaceChildren(...shown);
    dim();
  }
  page.watchers.push(dim);
  draw();
}

function fillScript() {
  const { script, texts } = page.data, section = card("script", "Script", csvLink("script", () => [["time_s", "action", "place"], ...script.map((step) => [step.t / 1000, texts[step.action], step.place])]));
  if (!script.length) return empty(section, "This scene has no script.");
  section.append(make("div", { class: "scroller" }, make("table", {}, make("tbody", {}, ...script.slice(0, 500).map((step) => make("tr", {},
    make("td", { class: "t" }, make("button", { type: "button", class: "link", onclick: () => setInstant(step.t) }, clock(step.t))), make("td", { class: "m" }, texts[step.action]), make("td", { class: "dim" }, step.place)))))));
  if (script.length > 500) empty(section, `${number(script.length - 500)} more`);
  const marks = Math.min(script.length, 300);
  for (let at = 0; at < marks; at++) $("marks").append(make("i", { style: `left:${percentOf(script[at].t)}%` }));
}

function fillInstant() {
  const { from_ms: from, end_ms: end, pods } = page.data, { t, v } = pods.series, slider = $("slider");
  slider.min = from; slider.max = end; slider.step = 1;
  slider.addEventListener("input", () => setInstant(+slider.value));
  const keys = pods.states.map((name, at) => {
    const value = make("b"), key = make("span", { class: "key" }, make("i", { style: `background:var(--${STATE_COLOURS[at]})` }), name, value);
    $("now").append(key);
    return { key, value, used: v[at].some((count) => count > 0) };
  });
  keys.forEach(({ key, used }) => { key.hidden = !used; key.style.display = used ? "" : "none"; });
  page.watchers.push((ms) => {
    slider.value = ms;
    $("clock").textContent = clock(ms);
    const at = placeOf(t, ms);
    keys.forEach(({ key, value }, n) => {
      const count = at < 0 ? 0 : v[n][at];
      value.textContent = number(count);
      key.classList.toggle("none", count === 0);
    });
    if (page.panel) page.panel();
  });
  $("back").addEventListener("click", () => { const at = placeOf(t, page.instant - 1); setInstant(at < 0 ? from : t[at]); });
  $("forth").addEventListener("click", () => { const at = placeOf(t, page.instant) + 1; setInstant(at < t.length ? t[at] : end); });
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; $("play").textContent = "▶"; };
  $("play").addEventListener("click", () => {
    if (timer) return stop();
    if (page.instant >= end) setInstant(from);
    $("play").textContent = "❚❚";
    timer = setInterval(() => { setInstant(page.instant + Math.max((end - from) / 300, 1)); if (page.instant >= end) stop(); }, 50);
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") closePanel(); });
}

/** Light, dark, or as the system has it; remembered where the browser lets a file remember. */
function fillTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)"), NEXT = { system: "light", light: "dark", dark: "system" };
  let wanted = "system";
  try { wanted = localStorage.getItem("wavetank-theme") || wanted; } catch { /* no storage: the system's */ }
  const apply = () => {
    document.documentElement.dataset.theme = wanted === "system" ? (system.matches ? "dark" : "light") : wanted;
    $("theme").textContent = "Theme: " + wanted;
    for (const plot of page.plots) plot.redraw(false);
    if (page.redrawHeat) page.redrawHeat();
  };
  system.addEventListener("change", apply);
  $("theme").addEventListener("click", () => {
    wanted = NEXT[wanted] || "system";
    try { localStorage.setItem("wavetank-theme", wanted); } catch { /* for this time only */ }
    apply();
  });
  apply();
}

async function open() {
  fillTheme();
  page.data = prepare(await unpack());
  page.instant = page.data.from_ms;
  fillHead();
  fillInstant();
  for (const fill of [fillExpectations, fillPods, fillCapacity, fillNodes, fillRollouts, fillAutoscalers, fillTraffic, fillEvents, fillScript]) fill();
  setInstant(page.data.end_ms);
  document.body.dataset.state = "ready";
}

open().catch((error) => {
  $("failure").hidden = false;
  $("failure").textContent = "This page could not be drawn: " + error.message + ". It needs a browser of 2023 or newer.";
  document.body.dataset.state = "failed";
  console.error(error);
});
