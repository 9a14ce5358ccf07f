// Where text lies on the screen: the parts of it that are seen, and boxes that may be turned.

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Four corners in order. */
export type Box = readonly [Point, Point, Point, Point];

export interface Placed {
  readonly text: string;
  readonly element: Element;
  readonly box: Box;
}

export function boxOf(left: number, top: number, right: number, bottom: number): Box {
  return [
    { x: left, y: top },
    { x: right, y: top },
    { x: right, y: bottom },
    { x: left, y: bottom },
  ];
}

export function boundsOf(box: Box) {
  const xs = box.map(({ x }) => x);
  const ys = box.map(({ y }) => y);
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

/** Whether two convex boxes share more than a touch: separating axes. */
export function overlap(a: Box, b: Box): boolean {
  for (const box of [a, b]) {
    for (let i = 0; i < 4; i++) {
      const [from, to] = [box[i], box[(i + 1) % 4]];
      const length = Math.hypot(to.x - from.x, to.y - from.y);
      if (length === 0) return false;
      const [nx, ny] = [(from.y - to.y) / length, (to.x - from.x) / length];
      const project = (other: Box) => other.map(({ x, y }) => x * nx + y * ny);
      const [pa, pb] = [project(a), project(b)];
      if (Math.min(Math.max(...pa), Math.max(...pb)) - Math.max(Math.min(...pa), Math.min(...pb)) < 0.5) return false;
    }
  }
  return true;
}

/** A text of a drawing. Its line is taller than its letters, so a part of that is left out. */
export function placeSvgText(element: SVGTextElement): Placed | null {
  const text = element.textContent?.trim() ?? '';
  const matrix = element.getScreenCTM();
  if (text === '' || matrix === null || !element.checkVisibility({ visibilityProperty: true })) return null;
  const { x, y, width, height } = element.getBBox();
  const rim = Math.min(height * 0.14, 3);
  const at = (px: number, py: number): Point => new DOMPoint(px, py).matrixTransform(matrix);
  const box: Box = [at(x, y + rim), at(x + width, y + rim), at(x + width, y + height - rim), at(x, y + height - rim)];
  return { text, element, box };
}

/** What an ancestor lets through of a rectangle, and whether it cuts. */
export interface Clip {
  readonly element: Element;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Whether what is cut can be scrolled to. */
  readonly scrolls: boolean;
  readonly hasEllipsis: boolean;
}

export function clipsOf(element: Element): Clip[] {
  const clips: Clip[] = [];
  for (let at: Element | null = element; at !== null && at !== document.documentElement; at = at.parentElement) {
    const { overflowX, overflowY, textOverflow } = getComputedStyle(at);
    if (overflowX === 'visible' && overflowY === 'visible') continue;
    if (at === document.body) continue;
    const { left, right, top, bottom } = at.getBoundingClientRect();
    const scrolls = [overflowX, overflowY].some((one) => one === 'auto' || one === 'scroll');
    clips.push({ element: at, left, right, top, bottom, scrolls, hasEllipsis: textOverflow === 'ellipsis' });
  }
  return clips;
}
