// A table's rows, kept as long as what they show. A look at a list touches the cells whose text is another one, and moves
// the rows that stand elsewhere; it pauses after each row, so that no list holds the page up.

import { el } from "./words.js";

export class Rows {
  // `columns`: { name, label?, text(item), node?(item) }. A cell is made anew when `text` gives something else.
  constructor(body, columns, key) {
    this.body = body;
    this.columns = columns;
    this.key = key;
    this.rows = new Map();
  }

  *show(items) {
    const wanted = new Set(items.map(this.key));
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.node.remove();
      this.rows.delete(key);
      yield;
    }
    let place = this.body.firstElementChild;
    for (const item of items) {
      const row = this.row(item);
      if (place !== row.node && place !== null && place.nextElementSibling === row.node) {
        place.remove();  // it stands further down now: one move instead of all between
        place = row.node;
      }
      if (place === row.node) place = place.nextElementSibling;
      else this.body.insertBefore(row.node, place);
      yield;
    }
  }

  row(item) {
    const key = this.key(item);
    let row = this.rows.get(key);
    if (row === undefined) {
      const cells = this.columns.map(({ name, label }) => el("td", { role: "cell", class: name, "data-label": label ?? null }));
      row = { cells, texts: [], node: el("tr", { role: "row" }, ...cells) };
      this.rows.set(key, row);
    }
    this.columns.forEach(({ text, node }, place) => {
      const now = text(item);
      if (row.texts[place] === now) return;
      row.texts[place] = now;
      row.cells[place].replaceChildren(...(node ? [node(item)].flat() : [now]).filter((child) => child !== null && child !== ""));
    });
    return row;
  }
}
