#include "cli/report_page.h"

#include <nlohmann/json.hpp>

#include "cli/report_drawing.h"
#include "loader/atomic_file.h"

namespace headrace {
namespace {

constexpr const char* kStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #fdfdfc; --text: #22262b; --faint: #6b7280; --line: #e3e5e8; --card: #ffffff;
  --F: #4a7bc8; --B: #2f9470; --I: #c97f1a; --W: #8d62ae; --update: #7c828a;
  --send: #c2504c; --receive: #a8922d; --gather: #b8578c; --reduce: #6a52a3;
  --warm-up: #c9cdd2; --data: #dba63a; --link: #c2504c; --drain: #a4aab2; --busy: #4a7bc8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --text: #e4e6e9; --faint: #9aa2ad; --line: #2d333b; --card: #1a1e24;
    --F: #5f8fdb; --B: #3aa982; --I: #d8923a; --W: #a279c4; --update: #8b929b;
    --send: #d9686a; --receive: #bda644; --gather: #cc6da0; --reduce: #8a72c4;
    --warm-up: #4b525b; --data: #d3a447; --link: #d9686a; --drain: #6a727c; --busy: #5f8fdb;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1360px; padding: 20px 28px 60px; background: var(--page);
  color: var(--text); font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 20px; font-weight: 600; margin: 8px 0 2px; }
h2 { font-size: 16px; font-weight: 600; margin: 34px 0 6px; }
h3 { font-size: 12px; font-weight: 600; margin: 16px 0 4px; color: var(--faint); }
p { margin: 2px 0 14px; color: var(--faint); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 14px 4px 0; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 500; color: var(--faint); font-size: 12px; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td.best { font-weight: 650; }
svg { display: block; width: 100%; height: auto; background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px 0; }
svg rect { stroke: var(--card); stroke-width: 0.6; }
svg rect:hover { stroke: var(--text); stroke-width: 1.4; }
rect.F { --c: var(--F); } rect.B { --c: var(--B); } rect.I { --c: var(--I); }
rect.W { --c: var(--W); }
rect.F, rect.B, rect.I, rect.W { fill: var(--c); }
rect.l1 { fill: color-mix(in srgb, var(--c), black 24%); }
rect.l2 { fill: color-mix(in srgb, var(--c), black 42%); }
rect.l3 { fill: color-mix(in srgb, var(--c), black 56%); }
rect.update { fill: var(--update); }
rect.send { fill: var(--send); } rect.receive { fill: var(--receive); }
rect.gather { fill: var(--gather); } rect.reduce { fill: var(--reduce); }
rect.send, rect.receive, rect.gather, rect.reduce { stroke: none; }
svg text { font-size: 10.5px; fill: var(--text); }
svg text.label { fill: #fff; text-anchor: middle; pointer-events: none; font-size: 10px; }
svg text.tick, svg text.device { fill: var(--faint); }
line.grid { stroke: var(--line); stroke-width: 1; }
line.cursor { stroke: var(--text); stroke-width: 0.8; stroke-dasharray: 3 3; visibility: hidden; }
polyline { fill: none; stroke-width: 1.5; stroke: var(--d); }
.d0 { --d: #4a7bc8; } .d1 { --d: #d08a27; } .d2 { --d: #2f9470; } .d3 { --d: #c2504c; }
.d4 { --d: #8d62ae; } .d5 { --d: #8a6d4f; } .d6 { --d: #c76aa0; } .d7 { --d: #7c828a; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 9px 0 0; font-size: 12px;
  color: var(--faint); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px;
  margin-right: 5px; vertical-align: -1px; background: var(--c); }
.bars { display: grid; grid-template-columns: 64px 1fr; gap: 3px 8px; font-size: 12px;
  align-items: center; color: var(--faint); }
.bar { display: flex; height: 12px; border-radius: 3px; overflow: hidden; background: var(--line); }
.bar span { background: var(--c); }
.busy { --c: var(--busy); } .warm-up { --c: var(--warm-up); } .data { --c: var(--data); }
.link { --c: var(--link); } .gather { --c: var(--gather); } .drain { --c: var(--drain); }
.loads { display: grid; grid-template-columns: 64px 1fr max-content max-content; gap: 4px 12px;
  font-size: 12px; align-items: center; color: var(--faint); font-variant-numeric: tabular-nums; }
.loads > div:nth-child(4n), .loads > div:nth-child(4n+3) { text-align: right; }
.load { position: relative; display: flex; height: 20px; border-radius: 3px;
  background: var(--line); }
.load span { background: var(--c); box-shadow: inset -0.6px 0 var(--card); }
.load span:first-child { border-radius: 3px 0 0 3px; }
.load span:hover { filter: brightness(1.15); }
.load i.bound { position: absolute; top: -3px; bottom: -3px; border-left: 2px dashed var(--text);
  margin-left: -1px; pointer-events: none; }
.loads .most { color: var(--text); font-weight: 650; }
.legend i.bound { background: none; width: 0; border-left: 2px dashed var(--text);
  border-radius: 0; }
:root { --k0: #4a7bc8; --k1: #d08a27; --k2: #2f9470; --k3: #8d62ae; --k4: #c76aa0; --k5: #4fa3b3;
  --k6: #8a6d4f; --k7: #a8922d; --k8: #6f7fd6; --k-other: #9aa2ad; }
.graph { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 10px; }
.graph svg { border: 0; padding: 0; margin: 0 auto; width: min(100%, var(--w)); }
.fine .graph svg { width: var(--w); }
.detail { float: right; margin-top: -20px; font-size: 12px; color: var(--faint); cursor: pointer; }
.detail input { margin: 0 5px 0 0; vertical-align: -1.5px; }
.detail:has(:checked) + .coarse, .detail:not(:has(:checked)) + .coarse + .fine { display: none; }
.coarse p, .fine p { margin: 5px 0 0; font-size: 12px; }
p.refused { margin: 4px 0; font-size: 12px; }
.node, .legend span { --c: var(--d); }
.node.l1, .legend .l1 { --c: color-mix(in srgb, var(--d), black 24%); }
.node.l2, .legend .l2 { --c: color-mix(in srgb, var(--d), black 42%); }
.node.l3, .legend .l3 { --c: color-mix(in srgb, var(--d), black 56%); }
.node path, .node polygon { fill: var(--c); stroke: none; }
.node:hover path, .node:hover polygon { stroke: var(--text); stroke-width: 1.4; }
.graph svg .node text { fill: #fff; font: 10px Helvetica, Arial, "Liberation Sans", sans-serif; }
.edge path { fill: none; stroke: var(--faint); stroke-width: 0.9; }
.edge polygon { fill: var(--faint); stroke: none; }
.edge.cut path { stroke: var(--text); stroke-width: 2; }
.edge.cut polygon { fill: var(--text); }
.legend i.crosses { background: none; height: 0; width: 14px; border-radius: 0;
  border-top: 2px solid var(--text); vertical-align: 4px; }
#tip { position: fixed; display: none; z-index: 9; pointer-events: none; padding: 7px 10px;
  border-radius: 6px; background: var(--text); color: var(--page); font-size: 12px;
  white-space: pre; box-shadow: 0 2px 10px rgb(0 0 0 / 25%); font-variant-numeric: tabular-nums; }
)css";

constexpr const char* kScript = R"js(
const runs = JSON.parse(document.getElementById("runs").textContent);
const tip = document.getElementById("tip");
const words = {F: "forward", B: "backward", I: "gradient of inputs", W: "gradient of weights",
  SEND_F: "sends activations", RECV_F: "receives activations", SEND_B: "sends gradients",
  RECV_B: "receives gradients", UNSHARD: "gathers parameters", REDUCE_GRAD: "reduces gradients"};

function seconds(s) {
  if (s >= 0.9995) return s.toPrecision(4) + " s";
  if (s >= 0.9995e-3) return (1e3 * s).toPrecision(4) + " ms";
  return (1e6 * s).toPrecision(4) + " us";
}
function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let u = 0;
  while (n >= 999.5 && u + 1 < units.length) { n /= 1000; ++u; }
  return (u ? n.toPrecision(3) : n) + " " + units[u];
}
function describe(text) {
  const pair = /^\((.*);(.*)\)OVERLAP_F_B$/.exec(text);
  if (pair) return describe(pair[1]) + "\ntogether with " + describe(pair[2]);
  const one = /^(\d+)([A-Z_]+)(\d*)(?:[<>](\d+))?$/.exec(text);
  if (!one) return text;
  let line = text + ": " + (words[one[2]] || one[2]) + ", stage " + one[1];
  if (one[3]) line += ", micro-batch " + one[3];
  if (one[4]) line += ", other end stage " + one[4];
  return line;
}
function show(event, text) {
  tip.textContent = text;
  tip.style.display = "block";
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.min(event.clientX + 14, innerWidth - box.width - 8) + "px";
  tip.style.top = Math.min(event.clientY + 16, innerHeight - box.height - 8) + "px";
}
function point_at_action(event, run) {
  const d = event.target.dataset.d;
  if (d === undefined) return hide();
  const [text, start, end] = run.devices[d][event.target.dataset.i];
  show(event, `device ${d}\n${describe(text)}\n${seconds(start)} to ${seconds(end)}, takes ` +
    seconds(end - start));
}
function point_at_memory(event, run, svg) {
  const box = svg.getScreenCTM().inverse();
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(box);
  const time = (at.x - run.left) / (run.right - run.left) * run.end_s;
  if (time < 0 || time > run.step_s) return hide();
  const cursor = svg.querySelector(".cursor");
  cursor.setAttribute("x1", at.x);
  cursor.setAttribute("x2", at.x);
  cursor.style.visibility = "visible";
  let text = seconds(time);
  run.memory.forEach((curve, d) => {
    if (d >= 16) return;
    let last = 0;
    for (let low = 0, high = curve.length - 1; low <= high;) {
      const middle = (low + high) >> 1;
      if (curve[middle][0] <= time) { last = middle; low = middle + 1; } else high = middle - 1;
    }
    const [, activations, stash, parameters, gradients, optimizer] = curve[last];
    text += `\ndevice ${d}: ` + bytes(activations + stash + parameters + gradients + optimizer) +
      ` (activations ${bytes(activations)}, stash ${bytes(stash)}, parameters ` +
      `${bytes(parameters)}, gradients ${bytes(gradients)}, optimizer ${bytes(optimizer)})`;
  });
  show(event, text);
}
function hide() {
  tip.style.display = "none";
  for (const cursor of document.querySelectorAll(".cursor")) cursor.style.visibility = "hidden";
}
document.querySelectorAll("section").forEach((section, r) => {
  const timeline = section.querySelector("svg.timeline");
  const memory = section.querySelector("svg.memory");
  if (!timeline) return;
  timeline.addEventListener("mousemove", event => point_at_action(event, runs[r]));
  timeline.addEventListener("mouseleave", hide);
  if (!memory) return;
  memory.addEventListener("mousemove", event => point_at_memory(event, runs[r], memory));
  memory.addEventListener("mouseleave", hide);
});
)js";

}  // namespace

void write_page(const std::string& path, const std::string& title, const std::string& body,
                const nlohmann::json& runs) {
  const std::string runs_json = runs.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>";
  page += escape_html(title) + "</title>\n<style>";
  page += kStyle;
  page += "</style>\n</head>\n<body>\n" + body + "<div id=\"tip\"></div>\n";
  page += "<script type=\"application/json\" id=\"runs\">";
  // "</script>" in a name must not end the element.
  for (const char c : runs_json) {
    if (c == '<')
      page += "\\u003c";
    else
      page += c;
  }
  page += "</script>\n<script>";
  page += kScript;
  page += "</script>\n</body>\n</html>\n";
  AtomicFile file(path);
  file.write(page);
  file.commit();
}

}  // namespace headrace
