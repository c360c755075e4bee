// Makes NiceGUI's code editor one for SQL: completion asked of the server, dark and light, labels.
import * as CM from "nicegui-codemirror";

const WAIT = 2000; // ms until a completion that is not answered is given up
const ICONS = { column: "property", region: "constant", function: "function", mask: "class", keyword: "keyword", collection: "type" };
const PLACEHOLDER = /\b(?:full_image|region|value|number|x0|x1)\b/;

// Offsets are told in characters, as Python counts them, not in units of UTF-16.
const characters = (text) => [...text].length;
const units = (text, offset) => [...text].slice(0, offset).join("").length;

function insert(view, item, from, to) {
  const { apply, label } = item.given;
  const called = view.state.sliceDoc(to, to + 1) === "(";
  const text = called && apply.includes("(") ? label : apply;
  const placeholder = text === apply && apply.includes("(") ? PLACEHOLDER.exec(apply) : null;
  const anchor = from + (placeholder ? placeholder.index : text.length);
  view.dispatch({
    changes: { from, to, insert: text },
    selection: { anchor, head: anchor + (placeholder ? placeholder[0].length : 0) },
    userEvent: "input.complete",
    scrollIntoView: true,
  });
}

function makeSource(component, waiting) {
  let asked = 0;
  return (context) =>
    new Promise((resolve) => {
      const number = ++asked;
      const text = context.state.sliceDoc(0, context.state.doc.length);
      const done = (answer) => {
        clearTimeout(timer);
        waiting.delete(number);
        resolve(answer);
      };
      const timer = setTimeout(() => done(null), WAIT);
      context.addEventListener("abort", () => done(null));
      waiting.set(number, ({ start, stop, items }) => {
        if (!items.length) return done(null);
        const options = items.map((given) => ({ label: given.label, type: ICONS[given.kind], detail: given.told, given, apply: insert }));
        done({ from: units(text, start), to: units(text, stop), options, filter: false });
      });
      component.$emit("complete", { number, cursor: characters(text.slice(0, context.pos)), asked: context.explicit });
    });
}

function followTheme(id, component) {
  let dark = null;
  const follow = () => {
    if (!component.$el?.isConnected) {
      waitingOf.delete(id);
      return observer.disconnect();
    }
    const now = document.body.classList.contains("body--dark");
    if (now !== dark) component.setTheme((dark = now) ? "githubDark" : "githubLight");
  };
  const observer = new MutationObserver(follow);
  observer.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  follow();
}

const setMark = CM.StateEffect.define();
// The mark goes with its text when that is edited, and away when it is deleted.
const markField = CM.StateField.define({
  create: () => CM.Decoration.none,
  update(marks, transaction) {
    marks = marks.map(transaction.changes);
    for (const effect of transaction.effects) if (effect.is(setMark)) marks = effect.value;
    return marks;
  },
  provide: (field) => CM.EditorView.decorations.from(field),
});

// Only while the text is still there: the server may know less than was typed.
function marked(state, given) {
  const from = given ? units(state.sliceDoc(0, state.doc.length), given.start) : 0;
  const to = given ? from + given.text.length : 0;
  if (from === to || state.sliceDoc(from, to) !== given.text) return CM.Decoration.none;
  const decoration = CM.Decoration.mark({ class: "ms-wrong", attributes: { title: given.title } });
  return CM.Decoration.set([decoration.range(from, to)]);
}

const waitingOf = new Map();

export async function enliven(id, label, given) {
  const component = getElement(id);
  if (!component || waitingOf.has(id)) return;
  const waiting = new Map();
  waitingOf.set(id, waiting);
  const editor = await component.editorPromise;
  const source = makeSource(component, waiting);
  const sql = await CM.languages.find((language) => language.name === "SQL").load();
  editor.dispatch({
    effects: CM.StateEffect.appendConfig.of([
      sql.language, // without its own completion, which knows neither the columns nor the functions
      CM.EditorState.languageData.of(() => [{ autocomplete: source }]),
      CM.EditorView.contentAttributes.of({ "aria-label": label }),
      markField,
    ]),
  });
  editor.dispatch({ effects: setMark.of(marked(editor.state, given)) });
  followTheme(id, component);
}

export function answer(id, number, suggestions) {
  waitingOf.get(id)?.get(number)?.(suggestions);
}

export function mark(id, given) {
  const editor = getElement(id)?.editor;
  if (editor) editor.dispatch({ effects: setMark.of(marked(editor.state, given)) });
}
