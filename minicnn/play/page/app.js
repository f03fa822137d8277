// The component: a canvas, the model's layers, and the numbers of one cell. It knows only what the Session answers;
// page.js brings its questions there over HTTP, widget.js over a notebook's comm.
import { html, render, useEffect, useRef, useState } from "./preact.js";

const SIDE = 140; // px of the drawing
const BRUSH = 9;  // px
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const short = (x) => x === null || x === undefined ? "none" : x === 0 ? "0" : Math.abs(x) >= 1e-3 && Math.abs(x) < 1e4
  ? x.toFixed(4) : x.toExponential(2);

// Pictures ------------------------------------------------------------------------------------------------------------

const gray = (v) => [v, v, v];
const signed = (v) => { // 0 blue, 128 white, 255 red
  const t = (v - 127.5) / 127.5;
  return t < 0 ? [255 * (1 + t), 255 * (1 + t * .6), 255] : [255, 255 * (1 - t * .7), 255 * (1 - t)];
};
const heat = (v) => [v, v * .3, 0]; // light that is added

// How a layer's maps lie beside each other: channel c at column c % across.
const layout = (shape, room = 560) => {
  if (shape.length === 1) {
    const across = Math.min(shape[0], Math.max(1, Math.floor(room / 9)));
    return { h: 1, w: 1, gap: 0, count: shape[0], across, down: Math.ceil(shape[0] / across), zoom: 9 };
  }
  const [h, w, channels] = shape, count = Math.min(channels, 128), zoom = Math.max(1, Math.min(8, Math.round(56 / w)));
  const across = Math.max(1, Math.min(count, Math.floor(room / ((w + 1) * zoom))));
  return { h, w, gap: 1, count, across, down: Math.ceil(count / across), zoom };
};

const paint = (canvas, shape, pixels, colour, room) => {
  const { h, w, gap, count, across, down } = layout(shape, room), data = bytes(pixels);
  canvas.width = across * (w + gap); canvas.height = down * (h + gap);
  const image = new ImageData(canvas.width, canvas.height);
  for (let c = 0; c < count; c++) {
    const top = Math.floor(c / across) * (h + gap), left = (c % across) * (w + gap);
    for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) {
      const at = 4 * ((top + i) * canvas.width + left + j), [r, g, b] = colour(data[(c * h + i) * w + j]);
      image.data[at] = r; image.data[at + 1] = g; image.data[at + 2] = b; image.data[at + 3] = 255;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
};

function Picture({ name, shape, pixels, colour = gray, size = 84, box = null, over = null }) {
  const ref = useRef();
  useEffect(() => {
    const canvas = ref.current;
    paint(canvas, [...shape, 1], pixels, colour);
    const pen = canvas.getContext("2d");
    if (over) { // a coarser map over the picture
      const small = document.createElement("canvas");
      paint(small, [...over.shape, 1], over.pixels, heat);
      pen.globalCompositeOperation = "lighter";
      pen.drawImage(small, 0, 0, over.shape[1], over.shape[0], 0, 0, shape[1], shape[0]);
      pen.globalCompositeOperation = "source-over";
    }
    if (box) {
      pen.strokeStyle = "#ff5a4f"; pen.lineWidth = 1;
      const [[top, bottom], [left, right]] = box;
      pen.strokeRect(left + .5, top + .5, Math.max(right - left - 1, .5), Math.max(bottom - top - 1, .5));
    }
  });
  const scale = size / Math.max(...shape);
  return html`<figure><canvas ref=${ref} role="img" aria-label=${name} style=${{
    width: `${(shape[1] + 1) * scale}px`, height: `${(shape[0] + 1) * scale}px` }} /><figcaption>${name}</figcaption></figure>`;
}

// Drawing -------------------------------------------------------------------------------------------------------------

function Pen({ onDraw, image, children }) {
  const ref = useRef(), last = useRef(null), place = useRef([SIDE / 2, SIDE / 2]), down = useRef(false);
  const [told, tell] = useState("");
  const send = () => {
    const { data } = ref.current.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, SIDE, SIDE), ink = new Uint8Array(SIDE * SIDE);
    for (let k = 0; k < ink.length; k++) ink[k] = data[4 * k];
    onDraw(ink);
  };
  const clear = () => {
    const pen = ref.current.getContext("2d", { willReadFrequently: true });
    pen.fillStyle = "#000"; pen.fillRect(0, 0, SIDE, SIDE);
    send();
  };
  const line = (from, to) => {
    const pen = ref.current.getContext("2d");
    pen.strokeStyle = "#fff"; pen.lineWidth = BRUSH; pen.lineCap = pen.lineJoin = "round";
    pen.beginPath(); pen.moveTo(...from); pen.lineTo(to[0] + .01, to[1]); pen.stroke();
    send();
  };
  useEffect(clear, []);
  useEffect(() => {
    if (!image) return;
    const small = document.createElement("canvas");
    small.width = small.height = image.side;
    const found = new ImageData(image.side, image.side);
    image.pixels.forEach((v, k) => found.data.set([v, v, v, 255], 4 * k));
    small.getContext("2d").putImageData(found, 0, 0);
    ref.current.getContext("2d").drawImage(small, 0, 0, SIDE, SIDE);
    send();
  }, [image]);
  const at = (event) => {
    const box = ref.current.getBoundingClientRect();
    return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
  };
  const key = (event) => {
    const moves = { ArrowLeft: [-7, 0], ArrowRight: [7, 0], ArrowUp: [0, -7], ArrowDown: [0, 7] };
    if (event.key in moves) {
      const from = place.current, clip = (v) => Math.min(SIDE - 1, Math.max(0, v));
      place.current = from.map((v, axis) => clip(v + moves[event.key][axis]));
      if (down.current) line(from, place.current);
      tell(`pen ${down.current ? "down" : "up"} at ${place.current.map(Math.round).join(", ")}`);
    } else if (event.key === " ") {
      down.current = !down.current;
      if (down.current) line(place.current, place.current);
      tell(`pen ${down.current ? "down" : "up"}`);
    } else if (event.key === "Delete" || event.key === "Backspace") { clear(); tell("cleared"); } else return;
    event.preventDefault();
  };
  return html`
    <canvas class="pen" id="pen" ref=${ref} width=${SIDE} height=${SIDE} tabindex="0" role="img"
      aria-label="Drawing field. Arrow keys move the pen, space puts it down or up, Delete clears." onKeyDown=${key}
      onPointerDown=${(e) => { e.target.setPointerCapture(e.pointerId); last.current = at(e); line(last.current, last.current); }}
      onPointerMove=${(e) => { if (last.current) { const to = at(e); line(last.current, to); last.current = to; } }}
      onPointerUp=${() => { last.current = null; }} onPointerCancel=${() => { last.current = null; }} />
    <div class="row"><button onClick=${clear}>clear</button>${children}<span class="soft" aria-live="polite">${told}</span></div>`;
}

// Layers --------------------------------------------------------------------------------------------------------------

function Maps({ layer, about, back, chosen, choose, lit, room }) {
  const ref = useRef(), { h, w, gap, count, across, zoom } = layout(layer.shape, room), flat = layer.shape.length === 1;
  const gradients = back && layer.gradient;
  useEffect(() => {
    paint(ref.current, layer.shape, gradients ? layer.gradient : layer.pixels, gradients ? signed : gray, room);
    if (!chosen) return;
    const c = chosen[chosen.length - 1], [i, j] = flat ? [0, 0] : chosen;
    if (c >= count) return;
    const pen = ref.current.getContext("2d");
    pen.fillStyle = "#ff5a4f";
    pen.fillRect((c % across) * (w + gap) + j, Math.floor(c / across) * (h + gap) + i, 1, 1);
  });
  const at = (event) => {
    const box = ref.current.getBoundingClientRect();
    const x = Math.floor((event.clientX - box.left) * ref.current.width / box.width);
    const y = Math.floor((event.clientY - box.top) * ref.current.height / box.height);
    const c = Math.floor(y / (h + gap)) * across + Math.floor(x / (w + gap)), i = y % (h + gap), j = x % (w + gap);
    return c < count && x >= 0 && i < h && j < w ? (flat ? [c] : [i, j, c]) : null;
  };
  const key = (event) => {
    const now = chosen || (flat ? [0] : [h >> 1, w >> 1, 0]), next = [...now], end = next.length - 1;
    const clip = (v, n) => Math.min(n - 1, Math.max(0, v));
    const [rows, columns] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] || [0, 0];
    const turn = { PageDown: 1, PageUp: -1 }[event.key] || 0;
    if (!rows && !columns && !turn && event.key !== "Enter") return;
    event.preventDefault();
    if (flat) next[0] = clip(now[0] + columns + rows * across, count);
    else { next[0] = clip(now[0] + rows, h); next[1] = clip(now[1] + columns, w); next[end] = clip(now[end] + turn, count); }
    choose(layer.name, next);
  };
  const hover = (event) => { const cell = at(event); if (cell) choose(layer.name, cell); };
  const size = `${layer.shape.join(" x ")}`, more = layer.shape[layer.shape.length - 1] > count && !flat;
  const extent = gradients ? `dL/d from ${short(-layer.most)} to ${short(layer.most)}`
    : `${short(layer.low)} to ${short(layer.high)}, mean ${short(layer.mean)}, ${Math.round(100 * layer.zeros)} % zeros`;
  return html`<div class=${`layer ${lit ? "lit" : ""}`} data-layer=${layer.name}>
    <h3>${layer.name}</h3> <span class="soft">${`${about.kind}, ${size}, ${about.parameters.toLocaleString("en")} parameters; ${extent}${
      more ? `; the first ${count} channels` : ""}`}</span>
    <canvas ref=${ref} tabindex="0" role="img" style=${{ width: `${across * (w + gap) * zoom}px` }}
      aria-label=${`${gradients ? "Gradients" : "Outputs"} of ${layer.name}. Arrow keys choose a cell, Page Up and Down a channel.`}
      onPointerMove=${hover} onPointerDown=${hover} onKeyDown=${key} onFocus=${() => { if (!chosen) key({ key: "Enter", preventDefault() {} }); }} />
  </div>`;
}

// Numbers -------------------------------------------------------------------------------------------------------------

function Grid({ title, rows }) {
  return html`<table class="grid"><caption>${title}</caption><tbody>
    ${rows.map((row) => html`<tr>${row.map((v) => html`<td>${short(v)}</td>`)}</tr>`)}</tbody></table>`;
}

const range = ([first, end]) => `${first} to ${end - 1}`;

function Numbers({ cell, look, input }) {
  if (!cell) return html`<p class="soft">Point at a cell of a map, or move there with the arrow keys.</p>`;
  let grids = null;
  if (cell.products) { // the channel that contributes most
    const size = (c) => cell.products[c].flat().reduce((sum, v) => sum + Math.abs(v), 0);
    const c = cell.products.map((_, k) => k).reduce((best, k) => size(k) > size(best) ? k : best, 0);
    grids = html`<p class="soft">Channel ${c}, the one of ${cell.products.length} that contributes most:</p>
      <${Grid} title="patch" rows=${cell.patch[c]} /><${Grid} title="kernel" rows=${cell.kernel[c]} />
      <${Grid} title="products" rows=${cell.products[c]} />`;
  }
  return html`
    <p id="cell-value"><strong>${cell.name} (${cell.index.join(", ")})</strong> = ${cell.value}
      ${cell.gradient === null ? "" : html`<br />dL/d of it = ${cell.gradient}`}</p>
    ${cell.field && html`<${Picture} name=${`what it sees: rows ${range(cell.field[0])}, columns ${range(cell.field[1])}`}
      shape=${input.slice(0, 2)} pixels=${look.x} size=${112} box=${cell.field} />`}
    ${grids}<pre tabindex="0" aria-label="The numbers written out">${cell.text}</pre>`;
}

// Training ------------------------------------------------------------------------------------------------------------

function Training({ state, command, why }) {
  const [rate, setRate] = useState("");
  if (why) return html`<p class="soft">${why}</p>`;
  const losses = state.losses, most = Math.max(...losses, 1e-9), n = Math.max(losses.length - 1, 1);
  const points = losses.map((v, k) => `${100 * k / n},${58 - 56 * v / most}`).join(" ");
  const recent = state.accuracies.slice(-20).filter((v) => v !== null);
  const mean = recent.reduce((sum, v) => sum + v, 0) / recent.length;
  const given = () => rate === "" ? {} : { rate: Number(rate) };
  return html`
    <div class="row"><button class="main" onClick=${() => command({ what: state.running ? "pause" : "run", ...given() })}>
      ${state.running ? "pause" : "train"}</button>
      <button disabled=${state.running} onClick=${() => command({ what: "step", ...given() })}>one step</button></div>
    <div class="row"><label for="rate">learning rate</label>
      <input id="rate" type="number" step="any" min="0" size="8" placeholder=${state.rate === null ? "" : String(state.rate)}
        value=${rate} onInput=${(e) => setRate(e.target.value)} /></div>
    <p id="training">step ${state.step}${losses.length ? `, loss ${short(losses[losses.length - 1])}` : ""}${recent.length
      ? `, accuracy of the last ${recent.length} steps ${mean.toFixed(3)}` : ""}</p>
    ${state.error && html`<p class="error" role="alert">${state.error}</p>`}
    <svg viewBox="0 0 100 60" preserveAspectRatio="none" role="img" aria-label="loss of the latest steps"><polyline points=${points} /></svg>
    <p class="soft">Batches of 32 of the digits that come with scikit-learn, turned, moved and zoomed. The maps beside follow the weights.</p>`;
}

// The page ------------------------------------------------------------------------------------------------------------

function Page({ about, ask }) {
  const [stages, setStages] = useState([]), [look, setLook] = useState(null), [cell, setCell] = useState(null);
  const [chosen, setChosen] = useState(null), [back, setBack] = useState(false), [label, setLabel] = useState("");
  const [lit, setLit] = useState(-1), [error, setError] = useState(""), [image, setImage] = useState(null);
  const [training, setTraining] = useState({ step: 0, running: false, rate: null, losses: [], accuracies: [], error: "" });
  const [room, setRoom] = useState(560), layers = useRef();
  const queue = useRef({}), now = useRef({});
  now.current = { chosen };

  // One question of a kind at a time; of those that wait only the latest is asked.
  const latest = (kind, work) => {
    const q = queue.current[kind] ||= { busy: false, next: null };
    q.next = work;
    if (q.busy) return;
    q.busy = true;
    (async () => {
      while (q.next) {
        const todo = q.next;
        q.next = null;
        try { await todo(); setError(""); } catch (e) { setError(String(e.message || e)); }
      }
      q.busy = false;
    })();
  };
  const numbers = () => {
    if (now.current.chosen) latest("cell", async () => { const [name, index] = now.current.chosen; setCell(await ask("cell", { name, index })); });
  };
  const shown = (found) => { setLook(found); if (found.stages) setStages(found.stages); numbers(); };
  const draw = (ink) => latest("draw", async () => shown(await ask("draw", ink)));
  const choose = (name, index) => {
    if (chosen && chosen[0] === name && chosen[1].join() === index.join()) return;
    now.current.chosen = [name, index];
    setChosen([name, index]); numbers();
  };
  const backward = (given) => latest("draw", async () => {
    shown(await ask("backward", { label: given === "" ? null : Number(given) }));
    setBack(true);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    for (let k = about.layers.length - 1; k >= -1; k--) { setLit(k); await new Promise((done) => setTimeout(done, 60)); }
  });
  const command = (body) => latest("train", async () => { setTraining(await ask("train", body)); shown(await ask("look")); });
  useEffect(() => { latest("train", async () => setTraining(await ask("progress"))); }, []);
  useEffect(() => {
    const measure = () => setRoom(Math.max(64, layers.current.clientWidth - 28));
    const watch = new ResizeObserver(measure);
    watch.observe(layers.current);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (!training.running) return undefined;
    const timer = setTimeout(() => latest("train", async () => { setTraining(await ask("progress")); shown(await ask("look")); }), 150);
    return () => clearTimeout(timer);
  }, [training]);

  const outputs = look ? look.outputs : [], best = outputs.indexOf(Math.max(...outputs)), names = Object.fromEntries(about.layers.map((l) => [l.name, l]));
  return html`
    <header><h1>minicnn play</h1><p>${about.name}: ${about.layers.length} layers, ${about.parameters.toLocaleString("en")} parameters,
      loss ${about.loss}</p>${error && html`<p class="error" role="alert">${error}</p>`}</header>
    <main>
      <section aria-label="Drawing"><h2>Draw</h2>
        <${Pen} onDraw=${draw} image=${image}>${about.framed && html`<button
          onClick=${async () => setImage(await ask("example", { number: Math.floor(Math.random() * 1797) }))}>an example</button>`}<//>
        <div class="stages">${stages.filter((s) => Math.min(...s.shape) > 0).map((s) => html`<${Picture} key=${s.name} ...${s} size=${60} />`)}</div>
        <h2>Outputs${about.of}</h2>
        <div class="bars" id="outputs">${outputs.map((v, k) => html`<span>${k}</span>
          <meter min="0" max="1" value=${Math.max(0, Math.min(1, v))} aria-label=${`output ${k}`}></meter>
          <span>${k === best ? html`<strong>${v.toFixed(3)}</strong>` : v.toFixed(3)}</span>`)}</div>
        ${look && look.cam && html`<h2>Grad-CAM</h2><${Picture} name=${`of ${look.label}, by ${look.cam.layer}`} shape=${about.input.slice(0, 2)}
          pixels=${look.x} size=${112} over=${look.cam} />`}
        <h2>Train</h2><${Training} state=${training} command=${command} why=${about.trains} />
      </section>
      <section aria-label="Layers" ref=${layers}><h2>Layers</h2>
        <div class="row"><button aria-pressed=${!back} onClick=${() => setBack(false)}>outputs</button>
          <label for="label">the loss of</label>
          <select id="label" value=${label} onChange=${(e) => { setLabel(e.target.value); if (back) backward(e.target.value); }}>
            <option value="">the believed class</option>${Array.from({ length: about.classes }, (_, k) => html`<option value=${k}>${k}</option>`)}</select>
          <button class=${back ? "" : "main"} aria-pressed=${back} disabled=${about.loss === "none" || !about.classes} onClick=${() => backward(label)}>backward</button>
          ${look && look.loss !== null && html`<span id="loss">loss of ${look.label}: ${short(look.loss)}</span>`}</div>
        ${look && look.layers.map((layer, k) => html`<${Maps} key=${layer.name} layer=${layer} about=${names[layer.of]} back=${back}
          chosen=${chosen && chosen[0] === layer.name ? chosen[1] : null} choose=${choose} lit=${k === lit} room=${room} />`)}
      </section>
      <section class="numbers" aria-label="Numbers" tabindex="0"><h2>Numbers</h2>
        <${Numbers} cell=${cell} look=${look} input=${about.input} /></section>
    </main>`;
}

// Into the element `root`.  tell(name, bytes): a question for the Session; a promise of its answer, which throws what
// the Session says against it.  root's data-waiting: the questions that have no answer yet, for whoever waits for them.
export const mount = async (root, tell) => {
  let waiting = 0;
  const ask = async (name, body = {}) => {
    root.dataset.waiting = ++waiting;
    try {
      return await tell(name, body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body)));
    } finally { root.dataset.waiting = --waiting; }
  };
  try {
    const about = await ask("about");
    root.textContent = "";
    render(html`<${Page} about=${about} ask=${ask} />`, root);
  } catch (error) { root.textContent = `The model did not answer: ${error.message}`; }
};
