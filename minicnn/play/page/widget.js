// The component in a notebook's cell: its questions go to the kernel, over the widget's comm. CSS: style.css.
import { mount } from "./app.js";

const scheme = () => { // of the notebook, which need not be the browser's
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "true" ? "light" : "dark";
  return vscodeThemeKind ? (vscodeThemeKind.includes("light") ? "light" : "dark") : "light dark";
};

export default {
  render({ model, el }) {
    const shadow = el.attachShadow({ mode: "open" }), style = document.createElement("style"), root = document.createElement("div");
    const open = {}, mine = Math.random(); // another view of the same model has other questions
    let asked = 0;
    style.textContent = CSS;
    root.id = "page";
    root.textContent = "Loading the model …";
    shadow.append(style, root);
    el.dataset.lmSuppressShortcuts = "true"; // arrow keys and space are the component's, not JupyterLab's
    el.style.colorScheme = scheme();
    const heard = ({ view, id, ok, answer }) => {
      if (view !== mine || !(id in open)) return;
      const [done, failed] = open[id], found = JSON.parse(answer);
      delete open[id];
      if (ok) done(found); else failed(new Error(found.error));
    };
    model.on("msg:custom", heard);
    mount(root, (name, body) => new Promise((done, failed) => {
      open[++asked] = [done, failed];
      model.send({ view: mine, id: asked, name }, undefined, [body.buffer]);
    }));
    return () => { model.off("msg:custom", heard); root.remove(); };
  },
};
