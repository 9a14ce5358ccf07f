// Texts of a page that lie on each other, are cut, or are too small to read.

import { contrastProblems } from './contrast.ts';
import { type Box, boundsOf, boxOf, clipsOf, overlap, type Placed, placeSvgText } from './geometry.ts';

/** Pixels that rounding and the blank rim of letters may take. */
const slack = 1.5;
const leastFontSize = 9.5;

function describe({ text, element }: Placed): string {
  const place = element.closest('[id]')?.id ?? '';
  return `"${text.slice(0, 60)}" (${element.tagName.toLowerCase()}${place === '' ? '' : ` in #${place}`})`;
}

/** Text that only screen readers have. */
function isHidden(element: Element): boolean {
  for (let at: Element | null = element; at !== null; at = at.parentElement) {
    const { clipPath, opacity } = getComputedStyle(at);
    if (clipPath !== 'none' || opacity === '0') return true;
  }
  return !element.checkVisibility({ visibilityProperty: true });
}

function svgProblems(svg: SVGSVGElement): string[] {
  const problems: string[] = [];
  const texts = [...svg.querySelectorAll('text')].map(placeSvgText).filter((one) => one !== null);
  const frame = svg.getBoundingClientRect();
  for (const [i, one] of texts.entries()) {
    const { left, right, top, bottom } = boundsOf(one.box);
    if (
      left < frame.left - slack ||
      right > frame.right + slack ||
      top < frame.top - slack ||
      bottom > frame.bottom + slack
    ) {
      problems.push(`${describe(one)} is cut by its drawing`);
    }
    const scale = frame.width / (svg.viewBox.baseVal.width || frame.width);
    const size = Number.parseFloat(getComputedStyle(one.element).fontSize) * scale;
    if (size < leastFontSize) problems.push(`${describe(one)} is ${size.toFixed(1)} px small`);
    for (const other of texts.slice(i + 1)) {
      if (overlap(one.box, other.box)) problems.push(`${describe(one)} lies on ${describe(other)}`);
    }
    const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
    for (const rect of svg.querySelectorAll('rect')) {
      const at = rect.getBoundingClientRect();
      const isIn = at.left < middle.x && at.right > middle.x && at.top < middle.y && at.bottom > middle.y;
      if (isIn && (left < at.left - slack || right > at.right + slack)) {
        problems.push(`${describe(one)} is wider than its box`);
      }
    }
  }
  return problems;
}

/** The parts of a text node that are seen, one for each line. */
function placeText(node: Text, problems: string[]): Placed[] {
  const element = node.parentElement as Element;
  const text = node.data.trim();
  if (text === '' || element.closest('svg, script, style, noscript, select') || isHidden(element)) return [];
  const range = document.createRange();
  range.selectNodeContents(node);
  const clips = clipsOf(element);
  const placed: Placed[] = [];
  for (const { left, right, top, bottom } of range.getClientRects()) {
    if (right - left < 1) continue;
    const seen = { left, right, top, bottom };
    let canScroll = false;
    for (const clip of clips) {
      const cutsAcross = seen.left < clip.left - slack || seen.right > clip.right + slack;
      const cutsDown = seen.top < clip.top - slack || seen.bottom > clip.bottom + slack;
      const isOut =
        seen.right <= clip.left || seen.left >= clip.right || seen.bottom <= clip.top || seen.top >= clip.bottom;
      if ((cutsAcross || cutsDown) && !clip.scrolls && !canScroll && !isOut) {
        const tip = clip.element.closest('[title]');
        const known = { text, element, box: boxOf(left, top, right, bottom) };
        if (!clip.hasEllipsis)
          problems.push(`${describe(known)} is cut by ${clip.element.tagName}.${clip.element.className}`);
        else if (tip === null) problems.push(`${describe(known)} is shortened, and no title says it in full`);
      }
      canScroll ||= clip.scrolls;
      seen.left = Math.max(seen.left, clip.left);
      seen.right = Math.min(seen.right, clip.right);
      seen.top = Math.max(seen.top, clip.top);
      seen.bottom = Math.min(seen.bottom, clip.bottom);
    }
    const rim = Math.min((bottom - top) * 0.18, 5);
    if (seen.right - seen.left < 1 || seen.bottom - seen.top < 2 * rim + 1) continue;
    const box: Box = boxOf(seen.left, seen.top + rim, seen.right, seen.bottom - rim);
    const known = { text, element, box };
    // What lies off the left edge as a whole waits there until it has the focus.
    if (seen.right <= 0) continue;
    if (!canScroll && (seen.left < -slack || seen.right > document.documentElement.clientWidth + slack)) {
      problems.push(`${describe(known)} goes over the edge of the page`);
    }
    const size = Number.parseFloat(getComputedStyle(element).fontSize);
    if (size < leastFontSize) problems.push(`${describe(known)} is ${size} px small`);
    placed.push(known);
  }
  return placed;
}

/** What stays in place while the rest scrolls by beneath it, unseen. */
function coverOf(element: Element): Element | null {
  for (let at: Element | null = element; at !== null; at = at.parentElement) {
    const { position, backgroundColor } = getComputedStyle(at);
    if (position === 'sticky') return backgroundColor.startsWith('rgb(') ? at : null;
  }
  return null;
}

function covers(one: Element, other: Element): boolean {
  const cover = coverOf(one);
  return cover !== null && !cover.contains(other);
}

/** What is wrong with where texts lie, one line each. */
export function textProblems(): string[] {
  const problems: string[] = [];
  for (const svg of document.querySelectorAll('svg'))
    if (svg.checkVisibility()) problems.push(...svgProblems(svg), ...contrastProblems(svg));
  const placed: Placed[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) placed.push(...placeText(walker.currentNode as Text, problems));
  // From top to bottom, so that only near ones are compared.
  const sorted = placed.map((one) => ({ one, ...boundsOf(one.box) })).sort((a, b) => a.top - b.top);
  for (const [i, a] of sorted.entries()) {
    for (let j = i + 1; j < sorted.length && sorted[j].top < a.bottom; j++) {
      const b = sorted[j];
      if (a.one.element === b.one.element) continue;
      if (!overlap(a.one.box, b.one.box)) continue;
      if (covers(a.one.element, b.one.element) || covers(b.one.element, a.one.element)) continue;
      problems.push(`${describe(a.one)} lies on ${describe(b.one)}`);
    }
  }
  return [...new Set(problems)];
}
