// The style of a page: light and dark by the system, readable from 390 pixels, and on paper.

import { cssDeclarations } from '../charts/index.ts';

/** Below it the wide drawings would be made so small that their text is hard to read. */
export const narrowBelow = 860;

export const pageStyle = `
:root{color-scheme:light;${cssDeclarations('light')};--page:#f4f6f9;--line:#d5dbe3;--accent:#1f5fbf}
@media (prefers-color-scheme:dark){:root{color-scheme:dark;${cssDeclarations('dark')};--page:#0d1117;--line:#313a46;--accent:#6da7ff}}
@media print{:root{color-scheme:light;${cssDeclarations('light')};--page:#fff;--line:#bbb;--accent:#1f5fbf}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC","WenQuanYi Micro Hei",sans-serif}
main{max-width:1000px;margin:0 auto;padding:16px}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 .6rem}
h2{font-size:1.15rem;line-height:1.3;margin:0 0 .5rem}
p,ul,dl{margin:0 0 .8rem}
ul{padding-left:1.2rem}
header{max-width:1000px;margin:0 auto;padding:12px 16px 0;display:flex;justify-content:flex-end}
fieldset{border:1px solid var(--line);border-radius:8px;padding:2px 6px;margin:0;display:flex;gap:2px;background:var(--surface)}
legend{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
fieldset label{padding:4px 10px;border-radius:6px;cursor:pointer;min-height:32px;display:flex;align-items:center}
fieldset input{position:absolute;opacity:0}
fieldset label:has(:checked){background:var(--accent);color:var(--surface)}
fieldset label:has(:focus-visible){outline:3px solid var(--accent);outline-offset:2px}
section{background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:16px;margin:0 0 16px}
figure{margin:0}
figure svg{display:block;max-width:100%;height:auto}
figure .narrow{display:none;max-width:460px;margin:0 auto}
figure .narrow svg{width:100%}
.caption,.note{color:var(--muted);font-size:.9rem;margin:.5rem 0 0}
.scroll{overflow-x:auto;max-width:100%}
.scroll:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th{font-weight:600}
td.left,th.left{text-align:left}
tbody th{font-weight:400}
td:not(.left){white-space:nowrap}
thead th{word-break:keep-all}
tbody th,td.left{min-width:6.5em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:0;font-size:.9rem}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.88em;overflow-wrap:anywhere}
body:has(#language-en:checked) [data-language=zh],body:has(#language-zh:checked) [data-language=en]{display:none!important}
@media (max-width:${narrowBelow - 0.02}px){main{padding:10px}header{padding:10px 10px 0}section{padding:12px 10px}
figure .wide{display:none}figure .narrow{display:block}dl{grid-template-columns:1fr}dd{margin:0 0 6px}h1{font-size:1.35rem}th,td{padding:5px 7px}}
@media print{header{display:none}section{break-inside:avoid;border:0;padding:0}.scroll{overflow:visible}}
`.trim();

/** Takes the language from the address or the browser, and tells the document of it; without it the page is English until switched. */
export const pageScript = `
const boxes={en:document.getElementById('language-en'),zh:document.getElementById('language-zh')};
const titles={en:document.documentElement.dataset.titleEn,zh:document.documentElement.dataset.titleZh};
const apply=()=>{const zh=boxes.zh.checked;document.documentElement.lang=zh?'zh-Hans':'en';document.title=titles[zh?'zh':'en']};
const wanted=location.hash==='#zh'||location.hash==='#en'?location.hash.slice(1):(navigator.language||'en').startsWith('zh')?'zh':'en';
boxes[wanted].checked=true;apply();
for(const box of Object.values(boxes))box.addEventListener('change',apply);
`.trim();
