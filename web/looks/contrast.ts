// Contrast of text in drawings, which axe-core leaves out: against the areas that it lies on.

import { boundsOf, placeSvgText } from './geometry.ts';

type Rgba = readonly [red: number, green: number, blue: number, alpha: number];

const least = 4.5;

function parse(color: string): Rgba {
  const [red = 0, green = 0, blue = 0, alpha = 1] = (color.match(/[\d.]+/g) ?? []).map(Number);
  return [red, green, blue, color === 'none' || color === 'transparent' ? 0 : alpha];
}

function over(top: Rgba, ground: Rgba): Rgba {
  const mix = (i: 0 | 1 | 2) => top[i] * top[3] + ground[i] * (1 - top[3]);
  return [mix(0), mix(1), mix(2), 1];
}

/** Relative luminance, WCAG 2. */
function luminance([red, green, blue]: Rgba): number {
  const linear = (value: number) => (value <= 10.31 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function contrast(a: Rgba, b: Rgba): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

function groundOf(element: Element): Rgba {
  for (let at: Element | null = element; at !== null; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color[3] === 1) return color;
  }
  return [255, 255, 255, 1];
}

/** Texts of a drawing that are hard to tell from what they lie on. */
export function contrastProblems(svg: SVGSVGElement): string[] {
  const rects = [...svg.querySelectorAll('rect')].map((rect) => ({ rect, at: rect.getBoundingClientRect() }));
  const page = groundOf(svg);
  return [...svg.querySelectorAll('text')].flatMap((element) => {
    const placed = placeSvgText(element);
    if (placed === null) return [];
    const { left, right, top, bottom } = boundsOf(placed.box);
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    let ground = page;
    for (const { rect, at } of rects) {
      if (at.left > x || at.right < x || at.top > y || at.bottom < y) continue;
      const { fill, fillOpacity, opacity } = getComputedStyle(rect);
      const [red, green, blue, alpha] = parse(fill);
      ground = over([red, green, blue, alpha * Number(fillOpacity) * Number(opacity)], ground);
    }
    const ratio = contrast(parse(getComputedStyle(element).fill), ground);
    return ratio < least ? [`"${placed.text}" has a contrast of ${ratio.toFixed(2)}`] : [];
  });
}
