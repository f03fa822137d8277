// The component in a notebook's cell: its questions go to the kernel, over the widget's comm. CSS: style.css.
import { mount } from "./app.js";

const scheme = () => { // of the notebook, which need not be the browser's
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "true" ? "light" : "dark";
  return vscodeThemeKind ? (vscodeThemeKind.includes("light") ? "light" : "dark") : "light dark";
};

const PATIENCE = 5000; // ms until the reader is told why nothing moves
const SILENT = "The kernel does not answer: it runs another cell, or it has ended. If it has ended, run this cell again.";

export default {
  render({ model, el }) {
    const shadow = el.attachShadow({ mode: "open" }), style = document.createElement("style"), root = document.createElement("div");
    const silent = document.createElement("p");
    const open = {}, mine = Math.random(); // another view of the same model has other questions
    let asked = 0, timer = 0;
    style.textContent = CSS;
    root.id = "page";
    root.textContent = "Loading the model …";
    silent.className = "error silent";
    silent.role = "alert";
    shadow.append(style, silent, root);
    el.dataset.lmSuppressShortcuts = "true"; // arrow keys and space are the component's, not JupyterLab's
    el.style.colorScheme = scheme();
    const wait = () => { // anew with each question and answer
      clearTimeout(timer);
      silent.textContent = "";
      if (Object.keys(open).length) timer = setTimeout(() => { silent.textContent = SILENT; }, PATIENCE);
    };
    const heard = ({ view, id, ok, answer }) => {
      if (view !== mine || !(id in open)) return;
      const [done, failed] = open[id], found = JSON.parse(answer);
      delete open[id];
      wait();
      if (ok) done(found); else failed(new Error(found.error));
    };
    model.on("msg:custom", heard);
    mount(root, (name, body) => new Promise((done, failed) => {
      open[++asked] = [done, failed];
      wait();
      model.send({ view: mine, id: asked, name }, undefined, [body.buffer]);
    }));
    return () => { clearTimeout(timer); model.off("msg:custom", heard); silent.remove(); root.remove(); };
  },
};
