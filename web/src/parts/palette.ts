// Colours of data, made in OKLCH so that all of a kind look equally bright; canvases need them as bytes.

/** Red, green, blue, each 0 to 255. */
export type Rgb = readonly [number, number, number];

function gamma(linear: number): number {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(Math.min(1, Math.max(0, value)) * 255);
}

/** OKLCH to sRGB (Ottosson 2020). Lightness 0 to 1, hue in degrees. */
export function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** As a pixel of ImageData's buffer read as little-endian 32-bit words. */
export function pixel([red, green, blue]: Rgb): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

// Neighbours in this list are far apart in hue, so that a few sequences are told apart at a glance.
const hues = [255, 60, 150, 20, 305, 195, 100, 340, 225, 125, 280, 40];
export const seriesCount = hues.length;

/** Colour `index` of the categorical palette; it repeats after `seriesCount`. */
export function series(index: number, dark: boolean): Rgb {
  return oklch(dark ? 0.74 : 0.62, dark ? 0.115 : 0.135, hues[index % seriesCount]);
}

/** What is not data: an empty block, a cached one, the mark of a shared one. */
export function neutral(kind: 'free' | 'cached' | 'shared' | 'outline' | 'grid' | 'ground', dark: boolean): Rgb {
  switch (kind) {
    case 'free':
      return dark ? [35, 39, 45] : [234, 234, 230];
    case 'cached':
      return dark ? [92, 100, 112] : [178, 182, 188];
    case 'shared':
      return dark ? [240, 241, 243] : [24, 26, 29];
    case 'outline':
      return dark ? [255, 255, 255] : [0, 0, 0];
    case 'grid':
      return dark ? [44, 48, 54] : [223, 223, 218];
    case 'ground':
      return dark ? [26, 29, 33] : [255, 255, 255];
  }
}

/** A sequential scale: 0 is near the ground, 1 stands out. */
export function scale(share: number, dark: boolean): Rgb {
  const at = Math.min(1, Math.max(0, share));
  return dark
    ? oklch(0.34 + 0.5 * at, 0.05 + 0.08 * at, 250 - 170 * at)
    : oklch(0.9 - 0.48 * at, 0.05 + 0.08 * at, 95 + 160 * at);
}
