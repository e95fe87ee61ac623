
  // Figures
  const COSTS = [["flops", "FLOPs of one image (multiply-adds × 2)"], ["parameters", "parameters"], ["latency", "latency of one image, ms"], ["seconds", "training, s"]];
  const scatter = () => {
    const t = state.table, rows = rowsOf(t).filter((row) => row.kind === "measured");
    const known = COSTS.filter(([key]) => rows.some((row) => row[key] > 0)), box = $("cost"), pick = $("against");
    box.hidden = !known.length || rows.length < 2;
    if (box.hidden) return;
    const wanted = known.some(([key]) => key === pick.value) ? pick.value : known[0][0];
    pick.innerHTML = known.map(([key, title]) => `<option value="${key}"${key === wanted ? " selected" : ""}>${title}</option>`).join("");
    const [W, H, L, B, T] = [460, 260, 44, 34, 10], dots = rows.filter((row) => row[wanted] > 0);
    const logs = dots.map((row) => Math.log10(row[wanted]));
    let [x0, x1] = [Math.min(...logs), Math.max(...logs)];
    if (x1 - x0 < 0.5) [x0, x1] = [(x0 + x1) / 2 - 0.3, (x0 + x1) / 2 + 0.3];
    const pad = (x1 - x0) * 0.06, { low, high } = t.range;
    const x = (v) => L + ((Math.log10(v) - x0 + pad) / (x1 - x0 + 2 * pad)) * (W - L - 10), y = (v) => T + ((high - v) / (high - low || 1)) * (H - B - T);
    const parts = [];
    const step = 10 ** Math.floor(Math.log10((high - low) / 2 || 1)), every = (high - low) / step > 8 ? 5 * step : (high - low) / step > 4 ? 2 * step : step;
    for (let v = Math.ceil(low / every) * every; v <= high; v += every)
      parts.push(`<line x1="${L}" x2="${W - 10}" y1="${y(v).toFixed(1)}" y2="${y(v).toFixed(1)}" stroke="var(--line)"/><text x="${L - 6}" y="${(y(v) + 3.5).toFixed(1)}" text-anchor="end">${+v.toFixed(3)}</text>`);
    const wide = x1 - x0 + 2 * pad > 2.5;
    for (let p = Math.floor(x0 - pad); p <= x1 + pad; p++)
      for (const m of wide ? [1] : [1, 2, 5]) {
        const at = x(m * 10 ** p);
        if (at >= L && at <= W - 10) parts.push(`<line x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${H - B}" y2="${H - B + 4}" stroke="currentColor"/><text x="${at.toFixed(1)}" y="${H - B + 16}" text-anchor="middle">${big(m * 10 ** p).replace(/\.0+(?=\D|$)/, "").replace(/(\.\d*?)0+(?=\D|$)/, "$1")}</text>`);
      }
    parts.push(`<line x1="${L}" x2="${W - 10}" y1="${H - B}" y2="${H - B}" stroke="currentColor"/>`);
    for (const row of dots)
      parts.push(`<g style="color:var(--accent)"><title>${esc(row.name)}: ${fixed(row.value, digits())}</title><line x1="${x(row[wanted]).toFixed(1)}" x2="${x(row[wanted]).toFixed(1)}" y1="${y(row.low).toFixed(1)}" y2="${y(row.high).toFixed(1)}" stroke="currentColor" stroke-width="1.2"/><circle cx="${x(row[wanted]).toFixed(1)}" cy="${y(row.value).toFixed(1)}" r="3.5" fill="currentColor"/></g>`);
    const boxes = [];
    for (const row of dots) {
      const name = row.name.length > 28 ? row.name.slice(0, 27) + "…" : row.name, wide = 5.6 * name.length;
      const right = x(row[wanted]) + 9 + wide < W, at = x(row[wanted]) + (right ? 7 : -7), left = right ? at : at - wide, top = y(row.value);
      if (left < 0 || boxes.some((box) => Math.abs(box.top - top) < 11 && left < box.left + box.wide && box.left < left + wide)) continue;
      boxes.push({ left, top, wide }); // a name that would lie on another is left to the pointer
      parts.push(`<text x="${at.toFixed(1)}" y="${(top + 3.5).toFixed(1)}" text-anchor="${right ? "start" : "end"}">${esc(name)}</text>`);
    }
    parts.push(`<text x="${(L + W) / 2}" y="${H - 2}" text-anchor="middle">${known.find(([key]) => key === wanted)[1]}</text>`);
    box.querySelector("div").innerHTML = `<svg viewBox="0 0 ${W} ${H}" font-size="10.5" role="img" aria-label="mean ${esc(t.metric)} against ${wanted}">${parts.join("")}</svg>`;
  };
  const ranks = () => {
    $("ranks").hidden = !state.table.diagram;
    $("ranks").querySelector("div").innerHTML = state.table.diagram || "";
  };

  // Which table
  const show = (id) => {
    const measured = (one) => one.rows.kind.includes("measured"); // what was measured is what one comes for
    const t = (state.table = tables.find((one) => one.id === id) || tables.find(measured) || tables[0]);
    state.down = !t.lower;
    state.key = "value";
    rowsOf(t);
    $("protocol").value = t.protocol;
    const arms = tables.filter((one) => one.protocol === t.protocol);
    $("sources").innerHTML = arms.map((one) => `<option value="${esc(one.id)}"${one === t ? " selected" : ""}>${esc(one.sources.join(" + "))}</option>`).join("");
    $("about").textContent = `${t.protocol}, learnt from ${t.sources.join(" + ")}${t.kind === "synthetic" ? ": drawn faces" : ""}`;
    $("rule").textContent = t.rule;
    draw();
    scatter();
    ranks();
  };
  const open = (id) => { history.replaceState(null, "", "#" + encodeURIComponent(id)); show(id); };
  const listen = () => {
    const groups = [["real", "Real faces"], ["synthetic", "Drawn faces (synthetic)"]];
    $("protocol").innerHTML = groups.map(([kind, title]) => {
      const names = [...new Set(tables.filter((t) => t.kind === kind).map((t) => t.protocol))];
      return names.length ? `<optgroup label="${title}">${names.map((name) => `<option>${esc(name)}</option>`).join("")}</optgroup>` : "";
    }).join("");
    $("protocol").addEventListener("change", () => open(tables.find((t) => t.protocol === $("protocol").value).id));
    $("sources").addEventListener("change", () => open($("sources").value));
    for (const id of ["printed", "verified", "clean"]) $(id).addEventListener("change", draw);
    $("search").addEventListener("input", draw);
    $("against").addEventListener("change", scatter);
    const press = (view) => {
      state.view = view;
      for (const button of document.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
    };
    for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => { press(button.dataset.view); draw(); });
    document.querySelector("main").addEventListener("click", (event) => {
      const sort = event.target.closest("[data-key]"), name = event.target.closest("td.name button");
      if (sort) {
        const key = sort.dataset.key;
        state.down = key === state.key ? !state.down : key !== "name";
        state.key = key;
        draw();
        document.querySelector(`[data-key="${key}"]`).focus();
      }
      if (name) toggle(name);
    });
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && more(), { rootMargin: "1200px" }).observe($("count"));
    addEventListener("scroll", () => $("count").getBoundingClientRect().top < innerHeight + 1200 && more(), { passive: true });
    addEventListener("beforeprint", () => { while (state.shown < state.rows.length) more(); });
    addEventListener("hashchange", () => show(decodeURIComponent(location.hash.slice(1))));
    press("overview");
  };
  if (tables.length) { listen(); show(decodeURIComponent(location.hash.slice(1))); }
})();
