// What the figures and tables of a page do. Data comes from the element #data and is only ever set as text.
"use strict";
(() => {
  const COLOURS = ["#3b6fb6", "#d9822b", "#3f9b6d", "#b5485d", "#7a5fa8", "#8a6d3b", "#2f9aa8", "#7f7f7f", "#c2a83e", "#5a5a8f"];
  const MANY = 10;
  const FAR = 500; // pixels to the nearest mark that is told
  const blocks = JSON.parse(document.getElementById("data").textContent);

  // words and elements
  const format = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const num = (v) => (v === null || v === undefined ? "-" : typeof v === "number" ? format.format(v) : String(v));
  const tick = (v) => (Math.abs(v) >= 1e4 ? d3.format("~s")(v) : format.format(v));
  const make = (tag, attributes = {}, text = "") => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
  const choice = (label, options, chosen, change) => {
    const outer = make("label", {}, label);
    const inner = make("select");
    for (const [value, text] of options) inner.append(make("option", { value }, text));
    inner.value = chosen;
    inner.addEventListener("change", () => change(inner.value));
    outer.append(inner);
    return outer;
  };
  const distinct = (values) => [...new Set(values.filter((v) => v !== null && v !== ""))];
  // a word has one colour on the whole page, unless two of a figure would have the same
  const worn = new Map();
  const colours = (names) => {
    const found = new Map();
    for (const name of names) {
      let at = worn.get(name) ?? worn.size;
      const taken = new Set([...found.values()]);
      for (let tries = 0; tries < COLOURS.length && taken.has(COLOURS[at % COLOURS.length]); tries += 1) at += 1;
      if (!worn.has(name)) worn.set(name, at);
      found.set(name, COLOURS[at % COLOURS.length]);
    }
    return found;
  };

  // a key whose entries are pressed away and back
  const key = (state, names, palette, redraw) =>
    names.map((name) => {
      const button = make("button", { class: "key", type: "button", "aria-pressed": "true" }, name);
      button.style.setProperty("--colour", palette.get(name));
      button.addEventListener("click", () => {
        state.hidden.has(name) ? state.hidden.delete(name) : state.hidden.add(name);
        button.setAttribute("aria-pressed", String(!state.hidden.has(name)));
        redraw();
      });
      return button;
    });

  // what a figure is on every width
  const frame = (width, more) => ({
    width,
    marginLeft: 52,
    marginRight: 18,
    marginBottom: 40,
    style: { background: "transparent", fontSize: "11px", overflow: "visible" },
    ...more,
  });
  // a logarithmic axis of little more than a decade has the ticks of a plain one, its own would be one or none; of less
  // than half a decade it is a plain one
  const scale = (axis, width, values = []) => {
    const [low, high] = d3.extent(values);
    const count = axis.log ? Math.max(2, Math.round(width / 150)) : Math.max(3, Math.round(width / 110));
    return {
      type: axis.log && !(low > 0 && high < 3 * low) ? "log" : "linear",
      label: axis.label,
      grid: true,
      tickFormat: tick,
      ticks: axis.log && low > 0 && high < 20 * low ? d3.ticks(low, high, count + 1) : count,
      nice: !axis.log,
    };
  };
  const place = (v, axis) => (axis.log ? Math.log(v) : v);
  const left = (names, width) => Math.min(Math.max(...names.map((n) => n.length), 4) * 6.2 + 14, width * 0.42);
  const cut = (width) => (name) => {
    const most = Math.max(6, Math.floor((width * 0.42 - 12) / 6.2));
    return name.length > most ? name.slice(0, most - 1) + "…" : name;
  };
  const told = (row, names) => names.filter((n) => row[n] !== null && row[n] !== undefined && row[n] !== "").map((n) => `${n}: ${num(row[n])}`).join("\n");

  const kinds = {
    points: {
      rows(block) {
        const names = Object.keys(block.columns);
        return Array.from({ length: block.columns[names[0]].length }, (_, i) => Object.fromEntries(names.map((n) => [n, block.columns[n][i]])));
      },
      begin(block, state, redraw) {
        state.rows = this.rows(block);
        state.x = block.x;
        state.y = block.y;
        state.only = {};
        state.names = block.colour ? distinct(block.columns[block.colour]) : [];
        state.palette = colours(state.names);
        const axes = Object.entries(block.axes).map(([name, axis]) => [name, axis.label]);
        const found = [
          choice("across", axes, state.x, (v) => ((state.x = v), redraw())),
          choice("up", axes, state.y, (v) => ((state.y = v), redraw())),
        ];
        for (const name of block.filters) {
          const options = [["", "all"], ...distinct(block.columns[name]).sort((a, b) => (a > b ? 1 : -1)).map((v) => [String(v), num(v)])];
          found.push(choice(name, options, "", (v) => ((state.only[name] = v), redraw())));
        }
        return [...found, ...key(state, state.names, state.palette, redraw)];
      },
      shown(block, state) {
        const only = Object.entries(state.only).filter(([, v]) => v !== "");
        const fits = (v, axis) => typeof v === "number" && (!block.axes[axis].log || v > 0);
        return state.rows.filter(
          (r) => fits(r[state.x], state.x) && fits(r[state.y], state.y) && !state.hidden.has(r[block.colour]) && only.every(([n, v]) => String(r[n]) === v));
      },
      // dots of each colour that no other of it beats on both axes, in the order of x
      front(block, state, rows) {
        const signs = [state.x, state.y].map((name) => ({ true: -1, false: 1 })[block.axes[name].is_more_better] ?? 0);
        if (state.x === state.y || signs.includes(0)) return [];
        return d3.groups(rows, (r) => r[block.colour]).flatMap(([, mine]) => {
          let best = Infinity;
          const order = d3.sort(mine, (a, b) => signs[0] * (a[state.x] - b[state.x]) || signs[1] * (a[state.y] - b[state.y]));
          return order.filter((r) => signs[1] * r[state.y] < best && ((best = signs[1] * r[state.y]), true));
        });
      },
      draw(block, state, width) {
        const { x, y } = state;
        const rows = this.shown(block, state);
        const fill = block.colour ? (r) => state.palette.get(r[block.colour]) : COLOURS[0];
        const marked = (r) => block.marks && r[block.marks];
        const names = Object.keys(block.columns).filter((n) => n !== "key" && n !== block.good && !n.endsWith("_low") && !n.endsWith("_high"));
        const marks = [Plot.frame({ stroke: "var(--line)" })];
        for (const [name, rule] of [[x, Plot.ruleX], [y, Plot.ruleY]])
          if (name in block.rules) marks.push(rule([block.rules[name]], { stroke: "currentColor", strokeDasharray: "3 3" }));
        if (x === block.x && y === block.y)
          for (const [name, xs, ys] of block.curves)
            if (!state.hidden.has(name)) marks.push(Plot.line(xs.map((v, i) => [v, ys[i]]), { stroke: state.palette.get(name) ?? "currentColor", strokeWidth: 1.2 }));
        const good = (r) => !block.good || r[block.good];
        const front = this.front(block, state, rows.filter(good));
        marks.push(Plot.line(front, { x, y, z: block.colour || null, stroke: fill, strokeWidth: 1.3, curve: "linear" }));
        const on = new Set(front);
        const wide = (name) => rows.filter((r) => typeof r[`${name}_low`] === "number" && (!block.axes[name].log || r[`${name}_low`] > 0));
        if (`${y}_low` in block.columns) marks.push(Plot.ruleX(wide(y), { x, y1: `${y}_low`, y2: `${y}_high`, stroke: fill, strokeWidth: 2 }));
        if (`${x}_low` in block.columns) marks.push(Plot.ruleY(wide(x), { y, x1: `${x}_low`, x2: `${x}_high`, stroke: fill, strokeWidth: 2 }));
        const dots = d3.sort(rows, (r) => (marked(r) ? 1 : 0));
        marks.push(
          Plot.dot(dots, { x, y, fill, sort: null, fillOpacity: (r) => (marked(r) || on.has(r) ? 1 : good(r) ? 0.5 : 0.18), r: (r) => (marked(r) ? 6 : 3),
            stroke: (r) => (marked(r) ? "currentColor" : "none"), strokeWidth: 1.5 }),
        );
        const [low, high] = d3.extent(rows, (r) => place(r[x], block.axes[x]));
        const far = (r) => place(r[x], block.axes[x]) > low + 0.85 * (high - low);
        for (const [number, word] of (block.marks ? distinct(block.columns[block.marks]) : []).entries())
          for (const [side, textAnchor] of [[true, "end"], [false, "middle"]])
            marks.push(Plot.text(dots.filter((r) => r[block.marks] === word && far(r) === side), { x, y, text: block.marks, dy: number % 2 ? 16 : -13, dx: side ? 6 : 0, textAnchor, fill: "currentColor", stroke: "var(--paper)", strokeWidth: 3, fontWeight: 600 }));
        marks.push(Plot.tip(dots, Plot.pointer({ x, y, title: (r) => told(r, names), maxRadius: 40 })));
        const made = Plot.plot(frame(width, { height: Math.min(480, Math.max(300, width * 0.5)), x: scale(block.axes[x], width, rows.map((r) => r[x])), y: scale(block.axes[y], 420, rows.map((r) => r[y])), r: { type: "identity" }, marks }));
        made.addEventListener("click", () => made.value && pick(made.value, names, made));
        return made;
      },
      table: (block, state) => [Object.keys(block.columns), kinds.points.shown(block, state).map((r) => Object.values(r))],
    },
    parallel: {
      begin(block, state, redraw) {
        state.rows = kinds.points.rows(block);
        state.by = block.colour;
        state.only = {};
        const numbers = block.names.filter((n) => n in block.axes);
        const found = [choice("colour by", numbers.map((n) => [n, block.axes[n].label]), state.by, (v) => ((state.by = v), redraw()))];
        if (block.front) found.push(choice("show", [["", "all"], ["front", "the frontier"]], "", (v) => ((state.front = v), redraw())));
        for (const name of block.names.filter((n) => !numbers.includes(n))) {
          const options = [["", "all"], ...distinct(block.columns[name]).sort().map((v) => [v, v])];
          found.push(choice(name, options, "", (v) => ((state.only[name] = v), redraw())));
        }
        return found;
      },
      shown: (block, state) =>
        state.rows.filter((r) => (!state.front || r[block.front]) && Object.entries(state.only).every(([n, v]) => v === "" || r[n] === v)),
      // where an axis has a value, from 0 to 1, and the values that it names
      axis(block, name) {
        const values = block.columns[name].filter((v) => v !== null && v !== "");
        if (!(name in block.axes)) {
          const words = d3.sort(distinct(values), (a, b) => (Number.isNaN(a - b) ? d3.ascending(a, b) : a - b));
          return { at: (v) => (words.length > 1 ? words.indexOf(v) / (words.length - 1) : 0.5), ticks: words };
        }
        const log = block.axes[name].log && d3.min(values) > 0;
        const spread = (v) => (log ? Math.log(v) : v);
        const [low, high] = d3.extent(values);
        const at = (v) => (high > low ? (spread(v) - spread(low)) / (spread(high) - spread(low)) : 0.5);
        return { at, ticks: distinct(values).length <= 6 ? distinct(values) : [low, high] };
      },
      draw(block, state, width) {
        const rows = this.shown(block, state);
        const axes = new Map(block.names.map((n) => [n, this.axis(block, n)]));
        const aim = block.axes[state.by].is_more_better;
        const hue = d3.interpolateRgb(...(aim ? [COLOURS[1], COLOURS[0]] : [COLOURS[0], COLOURS[1]]));
        const points = rows.flatMap((r) => block.names.filter((n) => r[n] !== null && r[n] !== "").map((n) => ({ name: n, at: axes.get(n).at(r[n]), row: r })));
        const room = width / block.names.length;
        const ticks = (room < 45 ? [] : block.names).flatMap((n) => axes.get(n).ticks.map((v) => ({ name: n, at: axes.get(n).at(v), text: typeof v === "number" ? tick(v) : v })));
        const names = Object.keys(block.columns).filter((n) => n !== "key" && n !== block.front);
        const order = d3.sort(rows, (r) => r[state.by]);
        const rank = new Map(order.map((r, i) => [r, i / Math.max(order.length - 1, 1)]));
        const line = { x: "name", y: "at", z: (p) => p.row.key, stroke: (p) => hue(rank.get(p.row)), sort: null };
        const front = points.filter((p) => block.front && p.row[block.front]);
        const marks = [
          Plot.ruleX(block.names, { stroke: "var(--line)" }),
          Plot.line(points, { ...line, strokeOpacity: Math.max(0.12, Math.min(0.6, 60 / Math.max(rows.length, 1))), strokeWidth: 1 }),
          Plot.line(front, { ...line, strokeWidth: 1.8 }),
          Plot.text(ticks, { x: "name", y: "at", text: "text", dx: 4, textAnchor: "start", fill: "currentColor", stroke: "var(--paper)", strokeWidth: 3 }),
          Plot.tip(points, Plot.pointer({ x: "name", y: "at", title: (p) => told(p.row, names), maxRadius: 40 })),
        ];
        const made = Plot.plot(frame(width, { height: 340, marginTop: room < 110 ? 90 : 34, marginLeft: 12, marginRight: 64, marginBottom: 12,
          x: { type: "point", domain: block.names, axis: "top", label: null, tickRotate: room < 110 ? -40 : 0, tickSize: 0, padding: 0.1 }, y: { domain: [0, 1], axis: null }, marks }));
        made.addEventListener("click", () => made.value && pick(made.value.row, names, made));
        return made;
      },
      table: (block, state) => [Object.keys(block.columns), kinds.parallel.shown(block, state).map((r) => Object.values(r))],
    },
    lines: {
      begin(block, state, redraw) {
        const names = block.series.map(([name]) => name);
        state.palette = colours(names);
        state.one = "";
        if (names.length > MANY) return [choice("show", [["", "all"], ...names.map((n) => [n, n])], "", (v) => ((state.one = v), redraw()))];
        return names.length > 1 ? key(state, names, state.palette, redraw) : [];
      },
      rows: (block, state) =>
        block.series.filter(([name]) => !state.hidden.has(name) && (!state.one || state.one === name)).flatMap(([name, xs, ys]) => xs.map((x, i) => ({ name, x, y: ys[i] })))
          .filter((r) => r.x !== null && r.y !== null && (!block.x.log || r.x > 0) && (!block.y.log || r.y > 0)),
      draw(block, state, width) {
        const rows = this.rows(block, state);
        const stroke = (r) => state.palette.get(r.name);
        const xs = [...rows.map((r) => r.x), ...block.along.map((r) => r[0])];
        const ys = [...rows.map((r) => r.y), ...block.across.map((r) => r[0])];
        const [low, high] = d3.extent(xs, (v) => place(v, block.x));
        const side = (v) => (place(v, block.x) - low > 0.6 * (high - low) ? { textAnchor: "end", dx: -4 } : { textAnchor: "start", dx: 4 });
        const words = { fill: "currentColor", stroke: "var(--paper)", strokeWidth: 3 };
        const rule = { stroke: "currentColor", strokeDasharray: "4 3" };
        const marks = [
          Plot.line(rows, { x: "x", y: "y", z: "name", stroke, strokeWidth: 1.6, curve: block.is_step ? "step-after" : "linear" }),
          Plot.ruleX(block.along, { x: (r) => r[0], ...rule }),
          ...block.along.map((r, i) => Plot.text([r], { x: (v) => v[0], text: (v) => v[1], frameAnchor: "top", ...side(r[0]), dy: 6 + 13 * i, ...words })),
          Plot.ruleY(block.across, { y: (r) => r[0], ...rule }),
          Plot.text(block.across, { y: (r) => r[0], text: (r) => r[1], frameAnchor: "right", textAnchor: "end", dy: -7, ...words }),
          Plot.tip(rows, Plot.pointerX({ x: "x", y: "y", maxRadius: FAR, title: (r) => `${r.name}\n${block.x.label}: ${num(r.x)}\n${block.y.label}: ${num(r.y)}` })),
        ];
        const y = { ...scale(block.y, 300, ys), ...(block.y.log ? {} : { zero: true }) };
        return Plot.plot(frame(width, { height: Math.max(220, Math.min(300, width * 0.55)), x: scale(block.x, width, xs), y, marks }));
      },
      table: (block, state) => [["series", block.x.label, block.y.label], kinds.lines.rows(block, state).map((r) => [r.name, r.x, r.y])],
    },
    bars: {
      begin(block, state, redraw) {
        const parts = distinct(block.rows.flatMap(([, values]) => Object.keys(values)));
        state.palette = colours(parts);
        return parts.length > 1 ? key(state, parts, state.palette, redraw) : [];
      },
      rows: (block, state) =>
        block.rows.flatMap(([row, values]) => Object.entries(values).filter(([part, v]) => v !== null && !state.hidden.has(part)).map(([part, value]) => ({ row, part, value }))),
      draw(block, state, width) {
        const names = block.rows.map(([row]) => row);
        const rows = this.rows(block, state);
        const fill = (r) => state.palette.get(r.part);
        const title = (r) => `${r.row}\n${r.part}: ${num(r.value)} ${block.unit}`;
        const bar = block.is_beside
          ? Plot.barX(rows, { y: "row", x1: 0, x2: "value", fill, insetTop: 2, insetBottom: 2, title })
          : Plot.barX(rows, Plot.stackX({ y: "row", x: "value", z: "part", order: [...state.palette.keys()], fill, insetTop: 2, insetBottom: 2, title }));
        const total = d3.rollups(rows, (g) => d3.sum(g, (r) => r.value), (r) => r.row);
        const tips = block.is_beside
          ? Plot.tip(rows, Plot.pointer({ y: "row", x: "value", title, maxRadius: FAR }))
          : Plot.tip(rows, Plot.pointer(Plot.stackX({ y: "row", x: "value", z: "part", order: [...state.palette.keys()], title, maxRadius: FAR })));
        const marks = [bar, Plot.ruleX([0]), Plot.tickX(block.limits, { x: (r) => r[1], y: (r) => r[0], stroke: "currentColor", strokeWidth: 2.5 })];
        if (!block.is_beside) marks.push(Plot.text(total, { x: (r) => r[1], y: (r) => r[0], text: (r) => num(r[1]), dx: 4, textAnchor: "start", fill: "currentColor" }));
        marks.push(tips);
        const x = { ...scale({ label: block.unit, log: false }, width) };
        return Plot.plot(frame(width, { height: 62 + 26 * names.length, marginLeft: left(names, width), marginRight: 40, x, y: { domain: names, label: null, tickFormat: cut(width) }, marks }));
      },
      table: (block, state) => [["row", "part", block.unit], kinds.bars.rows(block, state).map((r) => [r.row, r.part, r.value])],
    },
    ranges: {
      begin(block, state, redraw) {
        const names = distinct(block.rows.map((r) => r[4]));
        state.palette = colours(names);
        return names.length > 1 ? key(state, names, state.palette, redraw) : [];
      },
      rows: (block, state) => block.rows.filter((r) => r[1] !== null && !state.hidden.has(r[4]) && (!block.axis.log || r[1] > 0)),
      draw(block, state, width) {
        const rows = this.rows(block, state);
        const names = distinct(rows.map((r) => r[0]));
        const colour = (r) => state.palette.get(r[4]) ?? COLOURS[0];
        const title = (r) => `${r[0]}${r[4] ? `\n${r[4]}` : ""}\n${block.axis.label}: ${num(r[1])}${r[2] === null ? "" : `\n${num(r[2])} to ${num(r[3])}`}`;
        const spread = rows.filter((r) => r[2] !== null && r[3] !== null && (!block.axis.log || r[2] > 0));
        const at = { x: (r) => r[1], y: (r) => r[0] };
        const marks = [
          ...(block.rule === null ? [] : [Plot.ruleX([block.rule], { stroke: "currentColor", strokeDasharray: "3 3" })]),
          Plot.link(spread, { x1: (r) => r[2], x2: (r) => r[3], y1: (r) => r[0], y2: (r) => r[0], stroke: colour, strokeWidth: 2.5 }),
          Plot.dot(rows, { ...at, fill: colour, r: 4.5, title }),
          Plot.tip(rows, Plot.pointer({ ...at, title, maxRadius: FAR })),
        ];
        const reached = [...rows.flatMap((r) => [r[1], r[2] ?? r[1], r[3] ?? r[1]]), ...(block.rule === null ? [] : [block.rule])];
        return Plot.plot(frame(width, { height: 62 + 21 * names.length, marginLeft: left(names, width), x: scale(block.axis, width, reached), y: { type: "point", domain: names, label: null, grid: true, tickFormat: cut(width) }, marks }));
      },
      table: (block, state) => [["row", block.axis.label, "low", "high", "of"], kinds.ranges.rows(block, state)],
    },
    heat: {
      begin: () => [],
      rows: (block) => block.cells.flatMap((line, j) => line.map((value, i) => ({ x: block.x[i], y: block.y[j], value, text: block.texts.length ? block.texts[j][i] : "" }))).filter((r) => r.value !== null),
      draw(block, state, width) {
        const rows = this.rows(block);
        const color = block.middle === null ? { scheme: "YlOrBr", type: "linear" } : { type: "diverging", scheme: "RdBu", pivot: block.middle, reverse: true };
        const title = (r) => `${block.x_label} ${r.x}\n${block.y_label} ${r.y}\n${r.text || num(r.value)}`;
        const few = (names) => names.filter((_, i) => i % Math.ceil(names.length / 16) === 0);
        const marks = [Plot.cell(rows, { x: "x", y: "y", fill: "value", inset: block.x.length > 20 ? 0 : 0.5, title })];
        if (block.x.length <= 9 && block.y.length <= 16) marks.push(Plot.text(rows, { x: "x", y: "y", text: (r) => r.text || num(r.value), fill: "#1d2733", stroke: "#fff", strokeWidth: 2 }));
        marks.push(Plot.tip(rows, Plot.pointer({ x: "x", y: "y", title })));
        return Plot.plot(frame(width, { height: Math.min(420, 70 + 24 * block.y.length), marginLeft: left(block.y, width) + 10, color,
          x: { domain: block.x, label: block.x_label || null, ticks: few(block.x) }, y: { domain: block.y, label: block.y_label || null, ticks: few(block.y), reverse: true }, marks }));
      },
      table: (block) => [[block.x_label, block.y_label, "value"], kinds.heat.rows(block).map((r) => [r.x, r.y, r.value])],
    },
    spans: {
      begin(block, state, redraw) {
        const names = distinct(block.rows.map((r) => r[1]));
        state.palette = colours(names);
        return key(state, names, state.palette, redraw);
      },
      rows: (block, state) => block.rows.filter((r) => !state.hidden.has(r[1])),
      draw(block, state, width) {
        const rows = this.rows(block, state);
        const tracks = distinct(block.rows.map((r) => r[0]));
        const title = (r) => `${r[0]}: ${r[1]}\n${num(r[2])} to ${num(r[3])} ${block.unit}`;
        const y = (r) => r[0];
        const marks = [
          Plot.barX(rows, { y, x1: (r) => r[2], x2: (r) => r[3], fill: (r) => state.palette.get(r[1]), insetTop: 1, insetBottom: 1, stroke: "var(--paper)", strokeWidth: 0.4, title }),
          Plot.tip(rows, Plot.pointer({ y, x: (r) => (r[2] + r[3]) / 2, title, maxRadius: FAR })),
        ];
        return Plot.plot(frame(width, { height: Math.min(520, 56 + 20 * tracks.length), marginLeft: left(tracks, width), x: scale({ label: block.unit, log: false }, width), y: { domain: tracks, label: null, tickFormat: cut(width) }, marks }));
      },
      table: (block, state) => [["track", "what", "begin", "end"], kinds.spans.rows(block, state)],
    },
  };

  // a plan that was clicked: all of its numbers, and its row in every table
  const pick = (row, names, plot) => {
    const figure = plot.closest("figure");
    figure.querySelector(".picked-plan")?.remove();
    const box = make("div", { class: "picked-plan", role: "status" });
    for (const name of names) {
      if (row[name] === null || row[name] === "") continue;
      const line = make("div");
      line.append(make("span", {}, name), make("b", {}, num(row[name])));
      box.append(line);
    }
    figure.querySelector(".plot").after(box);
    for (const line of document.querySelectorAll("tr[data-key]")) {
      const same = row.key !== undefined && line.dataset.key === String(row.key);
      line.classList.toggle("picked", same);
      if (same) line.closest(".table").scrollTop = line.offsetTop - 60;
    }
  };

  const save = (name, type, text) => {
    const link = make("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const quoted = (cell) => (/[",\n]/.test(String(cell ?? "")) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell ?? ""));

  const figures = [];
  for (const figure of document.querySelectorAll("figure[data-figure]")) {
    const block = blocks[Number(figure.dataset.figure)];
    const kind = kinds[block.kind];
    const place = figure.querySelector(".plot");
    const state = { hidden: new Set() };
    const draw = (width = Math.floor(place.clientWidth)) => {
      if (width < 40 || figure.closest("details:not([open])")) return;
      const made = kind.draw(block, state, width);
      for (const mark of made.querySelectorAll("[aria-label]")) {
        mark.dataset.mark = mark.getAttribute("aria-label"); // the figure as a whole has the label
        mark.removeAttribute("aria-label");
        mark.removeAttribute("aria-description");
      }
      made.setAttribute("role", "img");
      made.setAttribute("aria-label", block.title);
      place.replaceChildren(made);
      state.width = width;
    };
    const stem = block.title.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);
    const tools = make("span", { class: "save" });
    const csv = make("button", { type: "button", title: "the data of this figure" }, "CSV");
    csv.addEventListener("click", () => {
      const [header, rows] = kind.table(block, state);
      save(`${stem}.csv`, "text/csv", [header, ...rows].map((r) => r.map(quoted).join(",")).join("\n") + "\n");
    });
    const svg = make("button", { type: "button", title: "this figure as it stands" }, "SVG");
    svg.addEventListener("click", () => save(`${stem}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(place.querySelector("svg"))));
    tools.append(csv, svg);
    figure.querySelector(".controls").append(...kind.begin(block, state, () => draw()), tools);
    figures.push({ draw, state, place });
  }
  const redraw = () => figures.forEach(({ draw, state, place }) => Math.abs((state.width ?? 0) - place.clientWidth) > 1 && draw());
  redraw();
  new ResizeObserver(redraw).observe(document.body);
  addEventListener("beforeprint", () => figures.forEach(({ draw, place }) => draw(place.closest(".wide") ? 720 : 350)));
  addEventListener("afterprint", () => figures.forEach(({ draw }) => draw()));

  // tables: sorted by a click on a column, narrowed by words
  const value = (row, at) => {
    const cell = row.cells[at];
    const text = cell.dataset.sort ?? cell.textContent.replaceAll(",", "").replace(/%$/, "");
    const number = text.trim() === "" || text.trim() === "-" ? NaN : Number(text);
    return Number.isNaN(number) ? cell.textContent : number;
  };
  const compare = (a, b) => (typeof a === typeof b ? (a > b) - (a < b) : typeof a === "number" ? -1 : 1);
  for (const table of document.querySelectorAll(".table table")) {
    const body = table.tBodies[0];
    table.querySelectorAll("th").forEach((head, at) => {
      const button = make("button", { type: "button" }, head.textContent || "note");
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].sort((a, b) => compare(value(a, at), value(b, at)));
        body.append(...(down ? rows.reverse() : rows));
      });
    });
    if (body.rows.length < 8) continue;
    const narrow = make("input", { type: "search", placeholder: "filter rows: words, column<5", "aria-label": "filter rows by words, or by a column such as chips<=8" });
    const plain = (text) => text.toLowerCase().replaceAll(/\s+/g, "");
    const heads = [...table.tHead.rows[0].cells].map((head) => plain(head.textContent));
    const signs = { "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "=": (a, b) => a === b };
    // a word of the filter: a column beside a number or a word, else anywhere in the row
    const test = (word) => {
      const [, name, sign, other] = word.match(/^(.+?)(<=|>=|<|>|=)(.+)$/) ?? [];
      const at = name === undefined ? -1 : Math.max(heads.indexOf(name), heads.findIndex((head) => head.startsWith(name)));
      if (at < 0) return (row) => row.textContent.toLowerCase().includes(word);
      const number = Number(other);
      return (row) => {
        const own = value(row, at);
        if (typeof own === "number" && !Number.isNaN(number)) return signs[sign](own, number);
        return sign === "=" && plain(String(own)) === other;
      };
    };
    const count = make("span", { class: "count", role: "status" });
    narrow.addEventListener("input", () => {
      const tests = narrow.value.toLowerCase().split(/\s+/).filter(Boolean).map(test);
      for (const row of body.rows) row.hidden = !tests.every((one) => one(row));
      const left = [...body.rows].filter((row) => !row.hidden).length;
      count.textContent = tests.length ? `${left} of ${body.rows.length} rows` : "";
    });
    narrow.setAttribute("size", "28");
    table.parentElement.before(narrow, count);
  }
})();
