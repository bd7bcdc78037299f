// SPDX-License-Identifier: Apache-2.0
#include "vtdsim/report_parts.h"

namespace vtdsim::report {

// Colours: Okabe and Ito's palette, which people with colour-blindness tell apart.
std::string_view style() {
  return R"css(
:root{--bg:#fbfaf8;--panel:#ffffff;--ink:#1d2430;--soft:#5b6573;--line:#e2e0db;--s0:#8a8f98;--s1:#0072b2;--s2:#009e73;
--s3:#d55e00;--warn:#b35c00;--warnbg:#fff4e3;--bad:#b3261e;--badbg:#fdecea;--good:#0b6b4f;--goodbg:#e6f4ee;--u0:#cc79a7;--u1:#0072b2;
--u2:#e69f00;--u3:#009e73;--u4:#56b4e9;--u5:#d55e00}
@media (prefers-color-scheme:dark){:root{--bg:#14171c;--panel:#1c2027;--ink:#e6e9ee;--soft:#9aa4b2;--line:#2c323c;--s0:#8f97a3;
--s1:#56b4e9;--s2:#2fbf95;--s3:#f08a4b;--warn:#f2b25c;--warnbg:#33291a;--bad:#ff8a80;--badbg:#3a1f1d;--good:#63d4ad;--goodbg:#17302a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:30px;line-height:1.2;margin:0 0 8px;letter-spacing:-.01em}
h2{font-size:18px;margin:36px 0 10px}
h3{font-size:14px;margin:0 0 4px;color:var(--ink)}
p{margin:6px 0;max-width:75ch}
.soft{color:var(--soft)}
.facts{display:flex;flex-wrap:wrap;gap:6px 22px;margin:14px 0 0;color:var(--soft)}
.facts b{color:var(--ink);font-weight:600}
.badge{display:inline-block;padding:1px 9px;border-radius:10px;font-size:13px;font-weight:600;margin-right:6px}
.badge.warn{background:var(--warnbg);color:var(--warn)}.badge.bad{background:var(--badbg);color:var(--bad)}
.badge.good{background:var(--goodbg);color:var(--good)}
.panel{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:12px 0;overflow-x:auto}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(440px,1fr));gap:14px}
.grid .panel{margin:0}
@media (max-width:540px){.grid{grid-template-columns:1fr}h1{font-size:24px}main{padding:20px 12px}}
svg{width:100%;height:auto;display:block}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft)}
svg .axis{stroke:var(--line);stroke-width:1}
svg .curve{fill:none;stroke-width:2.2;stroke-linejoin:round}
svg .s0{stroke:var(--s0)}svg .s1{stroke:var(--s1)}svg .s2{stroke:var(--s2)}svg .s3{stroke:var(--s3)}
svg circle.s0{fill:var(--s0)}svg circle.s1{fill:var(--s1)}svg circle.s2{fill:var(--s2)}svg circle.s3{fill:var(--s3)}
svg text.s0{fill:var(--s0);stroke:none;font-weight:600}svg text.s1{fill:var(--s1);stroke:none;font-weight:600}
svg text.s2{fill:var(--s2);stroke:none;font-weight:600}svg text.s3{fill:var(--s3);stroke:none;font-weight:600}
svg .dash{stroke-dasharray:5 4}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{text-align:right;padding:5px 8px;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600;font-size:13px}
th:first-child,td:first-child,.l{text-align:left}
tr:last-child td{border-bottom:0}
td.wrap{white-space:normal;min-width:22ch}
code,pre{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
details summary{cursor:pointer;color:var(--soft)}
.units{display:flex;flex-wrap:wrap;gap:14px}
.unit{flex:1 1 220px;min-width:0;border:1px solid var(--line);border-top:5px solid var(--u);border-radius:8px;padding:10px 12px;background:var(--bg)}
.unit.wide{flex-basis:100%}.fns{columns:300px;column-gap:22px;margin-top:4px}.fn{break-inside:avoid}
.unit h3{display:flex;justify-content:space-between;gap:8px}
.fn{display:flex;gap:8px;font-size:13px;padding:1px 0}.fn code{flex:none}.fn span{min-width:0;overflow-wrap:anywhere}.unit.none{--u:var(--soft);border-style:dashed;border-top-style:solid}
.fn.in{padding-left:16px}.fn.mine{font-weight:700;background:var(--goodbg);color:var(--good);border-radius:5px;padding-left:6px}
.rc{border:1px dashed var(--line);border-radius:10px;padding:12px}
.rc>.soft{margin-bottom:8px}
@media print{.panel{break-inside:avoid}}
)css";
}

} // namespace vtdsim::report
