// The data of the page: unpacked once, then read by everything else.

/** Small helpers for the document. Text goes in as text, never as markup. */
const $ = (id) => document.getElementById(id);
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") element.style.cssText = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

async function unpack() {
  const text = atob($("data").textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** Numbers from their differences. */
function sums(deltas) {
  const out = new Float64Array(deltas.length);
  let sum = 0;
  for (let at = 0; at < deltas.length; at++) out[at] = sum += deltas[at];
  return out;
}

/** 02:05.000, with hours in front only when there are any. */
function clock(ms, short) {
  const pad = (number, width) => String(number).padStart(width, "0");
  const total = Math.round(ms), hours = Math.floor(total / 3600000), rest = total % 3600000;
  let text = pad(Math.floor(rest / 60000), 2) + ":" + pad(Math.floor(rest / 1000) % 60, 2);
  if (hours > 0) text = hours + ":" + text;
  return short && total % 1000 === 0 ? text : text + "." + pad(total % 1000, 3);
}

function number(value, digits) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en-US", { maximumFractionDigits: digits === undefined ? 2 : digits });
}

/** A number as it stands at an axis: 50K. */
function compact(value) {
  return value.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 2 });
}

/** The last place whose number is not above `wanted`; -1 before the first. */
function placeOf(numbers, wanted, from, until) {
  let low = from || 0, high = until === undefined ? numbers.length : until;
  const first = low;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  return low > first ? low - 1 : -1;
}

/** A table as a file, made when it is asked for. */
function csvLink(name, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  return make("a", {
    href: "#", download: name + ".csv", title: "The data of this chart as CSV",
    onclick: (event) => {
      const lines = [];
      for (const row of rows()) lines.push(row.map(cell).join(","));
      const url = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
      event.currentTarget.href = url;
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    },
  }, "CSV");
}

/** What the page shows, from what it was given: times summed up, the lives of pods each in one place. */
function prepare(data) {
  data.columns = sums(data.columns);
  const series = (of) => { of.t = sums(of.t); return of; };
  series(data.pods.series);
  series(data.nodes.series);
  data.workloads.forEach((one) => series(one.series));
  data.autoscalers.forEach((one) => series(one.series));
  data.events.rows.t = sums(data.events.rows.t);
  const steps = data.pods.steps, count = data.pods.names.length;
  const pods = sums(steps.pod), at = sums(steps.t);
  // Steps come in order of time; here they stand pod by pod, each pod's in order of time.
  const starts = new Uint32Array(count + 1);
  for (const pod of pods) starts[pod + 1]++;
  for (let pod = 0; pod < count; pod++) starts[pod + 1] += starts[pod];
  const free = starts.slice(), order = new Uint32Array(pods.length);
  for (let step = 0; step < pods.length; step++) order[free[pods[step]]++] = step;
  const column = (values, Kind) => { const out = new Kind(order.length); for (let n = 0; n < order.length; n++) out[n] = values[order[n]]; return out; };
  data.lives = {
    starts, t: column(at, Float64Array), state: column(steps.state, Uint8Array), node: column(steps.node, Uint32Array),
    note: column(steps.note, Uint32Array), restarts: column(steps.restarts, Uint32Array),
  };
  delete data.pods.steps;
  return data;
}
