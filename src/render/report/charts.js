// Charts over time, by uPlot; all of them share one instant and one cursor.

const page = { data: null, instant: 0, watchers: [], plots: [] };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

/** Moves the instant, in milliseconds, and tells everything that shows it. */
function setInstant(ms) {
  const { from_ms: from, end_ms: end } = page.data;
  page.instant = Math.min(Math.max(Math.round(ms), from), end);
  for (const watcher of page.watchers) watcher(page.instant);
}

/** The share of the run that has passed at a moment, as CSS has it. */
function percentOf(ms) {
  const { from_ms: from, end_ms: end } = page.data;
  return end > from ? Math.min(Math.max((ms - from) / (end - from) * 100, 0), 100) : 0;
}

const STEPS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
  86400, 172800, 432800, 864000, 2592000, 8640000];

/**
 * Draws `lines` (name, colour, values, dash, fill) over `t` in milliseconds into a box. A value holds until the next one.
 * `stacked`: areas on top of each other, the first at the bottom. `unit` stands at the axis.
 */
function chart(box, { t, lines, unit, stacked, height, digits }) {
  const { from_ms: from, end_ms: end } = page.data;
  const before = t.length === 0 || t[0] > from, after = t.length > 0 && t[t.length - 1] < end;
  const padded = (values, first) => {
    const list = Array.from(values);
    if (before) list.unshift(first);
    if (after) list.push(list[list.length - 1]);
    return list;
  };
  const times = padded(t, from).map((ms) => ms / 1000);
  if (after) times[times.length - 1] = end / 1000;
  const columns = lines.map((line) => padded(line.values, null));
  let drawn = columns.map((values, at) => ({ values, line: lines[at] }));
  if (stacked) {
    const below = new Array(times.length).fill(0);
    drawn = drawn.map(({ values, line }) => ({
      line, values: values.map((value, at) => value === null ? null : (below[at] += value)),
    }));
  }
  // The first line lies on top: of areas the lowest, of lines the one that the others are measured by.
  drawn.reverse();
  const target = make("div", { class: "chart" }), legend = make("div", { class: "legend" });
  box.append(target, legend);
  const stepped = uPlot.paths.stepped({ align: 1 });
  const axis = { stroke: () => colour("dim"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { stroke: () => colour("line"), width: 1 }, font: "11.5px system-ui, sans-serif", labelFont: "11.5px system-ui, sans-serif", labelSize: 18 };
  const mark = make("div", { class: "mark" });
  const values = (at) => lines.map((line, n) => at < 0 ? null : columns[n][at]);
  const entries = lines.map((line) => {
    const value = make("b", {}, "–");
    legend.append(make("span", { class: "key" }, make("i", { style: `background:var(--${line.colour})` }), line.name, value));
    return value;
  });
  legend.append(make("span", { class: "when" }, ""));
  const tell = (at) => values(at).forEach((value, n) => { entries[n].textContent = number(value, digits); });
  const options = {
    width: Math.max(target.clientWidth, 200), height: height || 200, legend: { show: false },
    scales: { x: { time: false }, y: { range: (u, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, incrs: STEPS_S, space: 80, values: (u, splits) => splits.map((s) => clock(s * 1000, true)), size: 28 },
      { ...axis, label: unit, size: 50, values: (u, splits) => splits.map(compact) },
    ],
    cursor: { sync: { key: "run", setSeries: false }, points: { show: false }, drag: { x: true, y: false } },
    series: [{}].concat(drawn.map(({ line }) => ({
      label: line.name, paths: stepped, points: { show: false }, dash: line.dash, width: stacked ? 0 : 1.75,
      stroke: () => colour(line.colour), fill: stacked || line.fill ? () => colour(line.colour) + (stacked ? "" : "33") : undefined,
    }))),
    hooks: {
      ready: [(u) => {
        u.over.append(mark);
        u.over.addEventListener("click", () => {
          if (u.select.width <= 0) setInstant(u.posToVal(u.cursor.left, "x") * 1000);
        });
      }],
      setCursor: [(u) => { tell(u.cursor.idx === null || u.cursor.left < 0 ? placeOf(times, page.instant / 1000) : placeOf(times, u.posToVal(u.cursor.left, "x"))); }],
      draw: [() => place()],
    },
  };
  const plot = new uPlot(options, [times, ...drawn.map(({ values }) => values)], target);
  function place() {
    if (!plot) return;
    const { min, max } = plot.scales.x, at = page.instant / 1000;
    mark.hidden = !(at >= min && at <= max);
    if (!mark.hidden) mark.style.left = plot.valToPos(at, "x") + "px";
  }
  const watcher = () => { place(); tell(placeOf(times, page.instant / 1000)); };
  page.watchers.push(watcher);
  page.plots.push(plot);
  const resized = new ResizeObserver(() => {
    if (target.clientWidth > 0 && target.clientWidth !== plot.width) plot.setSize({ width: target.clientWidth, height: options.height });
  });
  resized.observe(target);
  watcher();
  return {
    /** Takes the chart away. */
    drop() {
      resized.disconnect();
      page.watchers = page.watchers.filter((one) => one !== watcher);
      page.plots = page.plots.filter((one) => one !== plot);
      plot.destroy();
      target.remove();
      legend.remove();
    },
  };
}

/** Rows of a chart's data for a file: the time in seconds, then each line. */
function chartRows(t, lines) {
  const rows = [["time_s", ...lines.map((line) => line.name)]];
  for (let at = 0; at < t.length; at++) rows.push([t[at] / 1000, ...lines.map((line) => line.values[at])]);
  return rows;
}

/** The head of a section: its title, then controls, then the link to its data. */
function card(id, title, ...controls) {
  const section = $(id);
  section.className = "card";
  section.replaceChildren(make("div", { class: "bar" }, make("h2", {}, title), make("span", { class: "grow" }), ...controls));
  return section;
}

function empty(section, text) {
  section.append(make("p", { class: "empty" }, text));
}

/** The axis of time below something that is no chart. */
function timeAxis() {
  const { from_ms: from, end_ms: end } = page.data;
  const span = (end - from) / 1000, step = STEPS_S.find((step) => span / step <= (innerWidth < 700 ? 4 : 8)) || span;
  const axis = make("div", { class: "axis" });
  for (let at = Math.ceil(from / 1000 / step) * step; at <= end / 1000 + 1e-9; at += step) {
    axis.append(make("span", { style: `left:${percentOf(at * 1000)}%` }, clock(at * 1000, true)));
  }
  return axis;
}

/** How full each node is over time: a cell for each stretch of the run. */
function heatMap(section) {
  const { nodes, columns } = page.data, count = nodes.names.length, width = columns.length;
  const grids = [0, 1, 2, 3].map(() => new Uint16Array(count * width));
  nodes.cells.forEach((cells, node) => {
    for (let at = 0; at < cells.length; at += 5) {
      const until = at + 5 < cells.length ? cells[at + 5] : width;
      for (let n = 0; n < 4; n++) grids[n].fill(cells[at + 1 + n], node * width + cells[at], node * width + until);
    }
  });
  const METRICS = [["CPU requested", "%"], ["memory requested", "%"], ["pods", ""]];
  const STATES = ["not there", "ready", "not ready", "cordoned"];
  const metric = make("select", { "aria-label": "What is shown", onchange: () => draw() }, ...METRICS.map(([name], at) => make("option", { value: at }, name)));
  const order = make("select", { "aria-label": "Order of nodes", onchange: () => draw() },
    make("option", { value: "made" }, "in order of creation"), make("option", { value: "full" }, "fullest first"), make("option", { value: "off" }, "longest not ready first"));
  const each = Math.max(1, Math.ceil(count / 200)), rows = Math.ceil(count / each);
  const canvas = make("canvas", { class: "heat", width: Math.max(width, 1), height: Math.max(rows, 1), role: "img", "aria-label": "Nodes over time" });
  canvas.style.height = (rows <= 12 ? rows * 22 : rows <= 40 ? rows * 12 : 400) + "px";
  canvas.style.imageRendering = "pixelated";
  const tip = make("p", { class: "tip" }), mark = make("div", { class: "mark" }), top = make("span"), bottom = make("span");
  const ramp = make("span", { class: "key" });
  const bar = section.querySelector(".bar");
  bar.insertBefore(metric, bar.lastElementChild);
  bar.insertBefore(order, bar.lastElementChild);
  section.append(make("div", { class: "heatbox" }, make("div", { class: "side" }, top, bottom), make("div", { style: "position:relative" }, canvas, mark), make("span"), timeAxis()),
    make("div", { class: "legend" }, ramp,
      make("span", { class: "key" }, make("i", { style: "background:var(--bad)" }), "not ready"), make("span", { class: "key" }, make("i", { style: "background:var(--warn)" }), "cordoned"),
      make("span", {}, each > 1 ? `each line is the mean of ${each} nodes` : "")), tip);
  let sorted = [];
  const rgb = (name) => { const hex = colour(name); return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)); };
  function draw() {
    const grid = grids[+metric.value], state = grids[3];
    const most = +metric.value === 2 ? Math.max(1, grid.reduce((a, b) => Math.max(a, b), 0)) : 100;
    sorted = Array.from({ length: count }, (_, node) => node);
    if (order.value === "full") {
      const mean = sorted.map((node) => { let sum = 0; for (let at = 0; at < width; at++) sum += grid[node * width + at]; return sum; });
      sorted.sort((a, b) => mean[b] - mean[a] || a - b);
    }
    if (order.value === "off") {
      const off = sorted.map((node) => { let sum = 0; for (let at = 0; at < width; at++) sum += state[node * width + at] !== 1; return sum; });
      sorted.sort((a, b) => off[b] - off[a] || a - b);
    }
    const [low, high, bad, warn] = ["heat0", "heat1", "bad", "warn"].map(rgb);
    const image = new ImageData(canvas.width, canvas.height);
    for (let row = 0; row < rows; row++) {
      for (let at = 0; at < width; at++) {
        let there = 0, sum = 0, off = 0, shut = 0;
        for (let n = row * each; n < Math.min((row + 1) * each, count); n++) {
          const cell = sorted[n] * width + at;
          if (state[cell] === 0) continue;
          there++; sum += grid[cell]; off += state[cell] === 2; shut += state[cell] === 3;
        }
        if (there === 0) continue;
        const full = Math.min(sum / there / most, 1), red = off ? Math.max(off / there, .6) : 0, brown = shut ? Math.max(shut / there, .35) * .6 : 0;
        for (let n = 0; n < 3; n++) {
          let value = low[n] + (high[n] - low[n]) * full;
          value += (warn[n] - value) * brown;
          value += (bad[n] - value) * red * .85;
          image.data[(row * width + at) * 4 + n] = value;
        }
        image.data[(row * width + at) * 4 + 3] = 255;
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    ramp.replaceChildren("0", make("span", { class: "ramp", style: "background:linear-gradient(90deg,var(--heat0),var(--heat1))" }), number(most) + METRICS[+metric.value][1] + " " + METRICS[+metric.value][0]);
    top.textContent = count ? "1" : "";
    bottom.textContent = count > 1 ? number(count) : "";
  }
  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const at = Math.min(width - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * width)));
    const row = Math.min(rows - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * rows)));
    return { at, list: sorted.slice(row * each, (row + 1) * each) };
  };
  canvas.addEventListener("mousemove", (event) => {
    const { at, list } = cellAt(event);
    const one = (node) => `${nodes.names[node]} ${STATES[grids[3][node * width + at]]}: CPU ${grids[0][node * width + at]} %, memory ${grids[1][node * width + at]} %, ${grids[2][node * width + at]} pods`;
    tip.textContent = clock(columns[at]) + "  " + (list.length > 2 ? `${one(list[0])}; and ${list.length - 1} more` : list.map(one).join("; "));
  });
  canvas.addEventListener("click", (event) => {
    const { at, list } = cellAt(event);
    setInstant(columns[at]);
    if (list.length) showNode(nodes.names[list[0]]);
  });
  page.watchers.push((ms) => { mark.style.left = percentOf(ms) + "%"; });
  draw();
  tip.textContent = "Point at a cell to read it; click to see the node's pods.";
  page.redrawHeat = draw;
  return () => {
    const rows = [["time_s", "node", "state", "cpu_requested_percent", "memory_requested_percent", "pods"]];
    nodes.cells.forEach((cells, node) => {
      for (let at = 0; at < cells.length; at += 5) rows.push([columns[cells[at]] / 1000, nodes.names[node], STATES[cells[at + 4]], cells[at + 1], cells[at + 2], cells[at + 3]]);
    });
    return rows;
  };
}
