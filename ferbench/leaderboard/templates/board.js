"use strict";
(() => {
  const CHUNK = 100;
  const $ = (id) => document.getElementById(id);
  const tables = JSON.parse($("data").textContent);
  const state = { table: null, view: "overview", key: "value", down: true, shown: 0, rows: [], best: {} };
  const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  const esc = (text) => String(text).replace(/[&<>"]/g, (c) => ENTITIES[c]);
  const DASH = '<span class="none">–</span>';
  const fixed = (value, digits = 2) => (value === null || value === undefined ? DASH : value.toFixed(digits));
  const digits = () => (state.table.percent ? 2 : 3);
  const big = (n) => {
    if (n === null || n === undefined) return DASH;
    const [scale, unit] = n >= 1e12 ? [1e12, "T"] : n >= 1e9 ? [1e9, "G"] : n >= 1e6 ? [1e6, "M"] : n >= 1e3 ? [1e3, "k"] : [1, ""];
    return (n / scale).toPrecision(3) + (unit && "\u202f" + unit);
  };
  const long = (s) => {
    if (s === null || s === undefined) return DASH;
    return s >= 5400 ? (s / 3600).toFixed(1) + "\u202fh" : s >= 90 ? (s / 60).toFixed(1) + "\u202fmin" : s.toFixed(1) + "\u202fs";
  };

  // Rows: a table keeps a list per column; here they become objects, once.
  const rowsOf = (table) => {
    if (!table.list) {
      const names = Object.keys(table.rows);
      table.list = table.rows.name.map((_, i) => Object.fromEntries(names.map((name) => [name, table.rows[name][i]])));
      for (const row of table.list) {
        row.text = [row.name, row.weights, row.device, row.selection, row.marks.join(" "), row.paper].join(" ").toLowerCase();
        row.matrices = row.confusion.map((text) => {
          const cells = text.split(",").map((n) => Number(n || 0)), wide = cells.length / table.classes.length;
          return table.classes.map((_, k) => cells.slice(k * wide, (k + 1) * wide));
        });
        row.classes = table.classes.map((_, k) => {
          const shares = row.matrices.map((m) => [m[k][k], m[k].reduce((a, b) => a + b, 0)]).filter((s) => s[1] > 0);
          return shares.length ? (100 * shares.reduce((sum, [hit, all]) => sum + hit / all, 0)) / shares.length : null;
        });
      }
    }
    return table.list;
  };

  // Columns: [key, title, value to sort by, HTML, class]
  const whisker = (row) => {
    const { low, high } = state.table.range, x = (v) => (3 + (64 * (v - low)) / (high - low || 1)).toFixed(1);
    return `<svg class="whisker" width="70" height="12" aria-hidden="true"><line x1="${x(row.low)}" x2="${x(row.high)}" y1="6" y2="6" ` +
      `stroke="currentColor" stroke-width="1.5"/><circle cx="${x(row.value)}" cy="6" r="3" fill="currentColor"/></svg>`;
  };
  const measured = (row) => {
    if (row.kind === "printed") return DASH;
    const d = digits();
    return `${fixed(row.value, d)}<span class="interval">[${fixed(row.low, d)}, ${fixed(row.high, d)}]</span>${whisker(row)}`;
  };
  const nameOf = (row) => {
    if (row.kind === "printed") return `${esc(row.name)} <span class="tag">printed by ${esc(row.paper)}</span>`;
    const warn = row.marks.length ? `<span class="tag" title="${esc(row.marks.join("; "))}">${row.contaminated.length ? "†" : "!"}</span>` : "";
    return `<button type="button" aria-expanded="false">${esc(row.name)}</button>${warn}`;
  };
  const seedsOf = (row) => [...new Set(row.runs.map((run) => run[0]))]; // a run per fold has the same seed
  const columns = () => {
    const t = state.table;
    const rank = ["rank", "Rank", (r) => (r.rank === null ? null : -r.rank), (r) => (r.rank === null ? DASH : r.rank + (r.tied ? "=" : "")), "rank"];
    const name = ["name", "Method", (r) => r.name.toLowerCase(), nameOf, "name"];
    const value = ["value", `Reproduced, ${t.metric}`, (r) => r.value, measured, ""];
    const short = ["value", `Mean ${t.metric}`, (r) => r.value, (r) => fixed(r.value, digits()), ""];
    const plain = (key, title, show, css = "") => [key, title, (r) => r[key], show || ((r) => (r[key] === "" ? DASH : esc(r[key]))), css];
    const views = {
      overview: [
        rank, name, value,
        ["published", "Published", (r) => (r.published === "" ? null : Number(r.published)), (r) => (r.published === "" ? DASH : esc(r.published)), ""],
        plain("delta", "Δ", (r) => (r.delta === null ? DASH : (r.delta > 0 ? "+" : "") + fixed(r.delta, digits()).replace("-", "−"))),
        plain("verified", "Verified", (r) => (r.kind === "printed" ? DASH : r.verified ? '<span class="yes">✓ yes</span>' : '<span class="none">not checked</span>')),
        plain("selection", "Selection", null, "text"),
        ["seeds", "Seeds", (r) => seedsOf(r).length, (r) => seedsOf(r).join(", ") || DASH, ""],
        plain("n", "N", (r) => (r.n === null ? DASH : r.n.toLocaleString("en"))),
        plain("coverage", "Coverage", (r) => (r.coverage === null ? DASH : fixed(r.coverage, 1) + "\u202f%")),
      ],
      targets: [
        rank, name, short,
        ...t.targets.map((target, i) => [`t${i}`, target, (r) => r.targets[i], (r) => cell(r, i), ""]),
        ["worst", "Worst target", (r) => worst(r.targets, t.targets, t.lower)[0], (r) => worst(r.targets, t.targets, t.lower)[1], "text"],
      ],
      classes: [
        rank, name, short,
        ...t.classes.map((one, k) => [`c${k}`, one, (r) => r.classes[k], (r) => fixed(r.classes[k], 1), ""]),
        ["worst", "Worst class", (r) => worst(r.classes, t.classes)[0], (r) => worst(r.classes, t.classes)[1], "text"],
      ],
      cost: [
        rank, name, short,
        plain("parameters", "Parameters", (r) => big(r.parameters)),
        plain("flops", "FLOPs (mult-adds × 2)", (r) => big(r.flops)),
        plain("latency", "Latency, 1 image", (r) => (r.latency === null ? DASH : fixed(r.latency, 1) + "\u202fms")),
        plain("seconds", "Training", (r) => long(r.seconds)),
        plain("device", "Device", null, "text long"),
        plain("weights", "First weights (had seen)", null, "text long"),
      ],
    };
    return views[state.view];
  };
  const cell = (row, i) => {
    const dagger = row.contaminated.includes(i) ? '<span class="dagger" title="shares images with what was seen">\u2009†</span>' : "";
    return (row.kind === "printed" ? esc(row.digits[i] || "–") : fixed(row.targets[i], digits())) + dagger;
  };
  const worst = (values, names, most) => {
    const known = values.map((v, i) => [v, i]).filter(([v]) => v !== null).sort((a, b) => (most ? b[0] - a[0] : a[0] - b[0]));
    return known.length ? [known[0][0], `${esc(names[known[0][1]])} <span class="none">${fixed(known[0][0], 1)}</span>`] : [null, DASH];
  };

  // The table
  const compare = (value) => (a, b) => {
    const x = value(a), y = value(b);
    if (x === y) return a.place - b.place;
    if (x === null || x === undefined || x === "") return 1; // what is not known stands last, whichever way
    if (y === null || y === undefined || y === "") return -1;
    const order = typeof x === "string" ? x.localeCompare(y) : x - y;
    return state.down ? -order : order;
  };
  const tr = (row, cols) => {
    const tds = cols.map(([key, , value, html, css]) => {
      const best = state.best[key] !== undefined && row.kind !== "printed" && value(row) === state.best[key] ? " best" : "";
      return `<td class="${css}${best}">${html(row)}</td>`;
    });
    return `<tr class="main ${row.kind}" data-place="${row.place}">${tds.join("")}</tr>`;
  };
  const more = () => {
    if (state.shown >= state.rows.length) return;
    const cols = columns(), next = state.rows.slice(state.shown, state.shown + CHUNK);
    $("table").tBodies[0].insertAdjacentHTML("beforeend", next.map((row) => tr(row, cols)).join(""));
    state.shown += next.length;
  };
  const head = (table, cols, sortable) => {
    table.tHead.innerHTML = `<tr>${cols.map(([key, title, , , css]) => {
      const sorted = sortable && key === state.key ? ` aria-sort="${state.down ? "descending" : "ascending"}"` : "";
      return `<th scope="col" class="${css}"${sorted}>${sortable ? `<button type="button" data-key="${key}">${esc(title)}</button>` : esc(title)}</th>`;
    }).join("")}</tr>`;
  };
  const draw = () => {
    const t = state.table, cols = columns(), words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = rowsOf(t), ranked = all.filter((row) => row.kind !== "oracle");
    state.rows = ranked.filter((row) =>
      words.every((word) => row.text.includes(word)) && (row.kind !== "printed" || $("printed").checked) &&
      (!$("verified").checked || row.verified) && (!$("clean").checked || !row.contaminated.length));
    const by = cols.find(([key]) => key === state.key) || cols[2];
    state.rows.sort(compare(by[2]));
    state.best = {};
    for (const [key, , value] of cols.filter(([key]) => /^[tc]\d+$/.test(key))) {
      const known = ranked.filter((row) => row.kind !== "printed").map(value).filter((v) => v !== null);
      if (known.length > 1) state.best[key] = t.lower && key[0] === "t" ? Math.min(...known) : Math.max(...known);
    }
    head($("table"), cols, true);
    $("table").tBodies[0].innerHTML = "";
    state.shown = 0;
    more();
    $("count").textContent = `${state.rows.length} of ${ranked.length} rows`;
    $("incomplete").hidden = !t.incomplete.length;
    $("incomplete").querySelector("ul").innerHTML = t.incomplete.map((line) => `<li>${esc(line)}</li>`).join("");
    const chosen = all.filter((row) => row.kind === "oracle"), box = $("oracle");
    box.hidden = !chosen.length;
    if (chosen.length) {
      const few = cols.filter(([key]) => !["rank", "published", "delta", "seconds"].includes(key));
      head(box.querySelector("table"), few, false);
      box.querySelector("tbody").innerHTML = chosen.map((row) => tr(row, few)).join("");
    }
  };

  // Details of a row
  const sheet = (row) => {
    const t = state.table, tied = row.ties.map((place) => esc(t.list[place].name)).join(", ") +
      (row.tied > row.ties.length ? ` and ${row.tied - row.ties.length} more` : "");
    const runs = row.runs.map(([seed, link, recipe, fold]) =>
      `seed ${seed}${fold ? ", " + esc(fold) : ""}: <a href="${esc(link)}/record.json">${recipe ? "record" : "record and recipe"}</a>` + (recipe ? `, <a href="${esc(link)}/recipe.toml">recipe</a>` : "")).join(" · ");
    const facts = [["Runs", runs], ["Cannot be told from", tied], ["To know", row.marks.map(esc).join("<br>")],
      ["First weights", esc(row.weights)], ["Device", esc(row.device)]].filter(([, text]) => text);
    const matrices = row.matrices.map((m, i) => {
      const wide = m[0].length > t.classes.length, top = [...t.classes, ...(wide ? ["no face"] : [])];
      const body = m.map((line, k) => {
        const all = line.reduce((a, b) => a + b, 0) || 1;
        return `<tr><th scope="row">${esc(t.classes[k])}</th>${line.map((n) => `<td style="--share:${(n / all).toFixed(2)}">${n}</td>`).join("")}</tr>`;
      });
      return `<figure><figcaption>${esc(t.targets[i])}</figcaption><table class="matrix"><thead><tr><th><span class="soft">true ╲ said</span></th>` +
        `${top.map((one) => `<th scope="col" title="${esc(one)}">${esc(one.slice(0, 4))}</th>`).join("")}</tr></thead><tbody>${body.join("")}</tbody></table></figure>`;
    });
    return `<div class="sheet"><dl>${facts.map(([k, v]) => `<dt>${k}</dt><dd>${v}</dd>`).join("")}</dl><div class="matrices">${matrices.join("")}</div></div>`;
  };
  const toggle = (button) => {
    const line = button.closest("tr"), open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) return line.nextElementSibling.remove();
    line.insertAdjacentHTML("afterend", `<tr class="detail"><td colspan="${line.cells.length}">${sheet(state.table.list[line.dataset.place])}</td></tr>`);
    line.nextElementSibling.style.setProperty("--sheet", `${line.closest(".scroll").clientWidth}px`);
  };
