// The component as a page of its own: its questions go to the server that it came from.
import { mount } from "./app.js";

mount(document.getElementById("page"), async (name, body) => {
  const answer = await fetch(`api/${name}`, { method: "POST", body }), found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
});
