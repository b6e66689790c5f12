import { fileURLToPath } from 'node:url';

const FONT = 'dejavu-fonts-ttf/ttf/DejaVuSans.ttf';

/** Draws an SVG as a PNG, with a font of its own: a container has none. */
export async function pngOf(svg: string): Promise<Uint8Array> {
  // Only now: it is native code, which the operator's own process has no use for.
  const { Resvg } = await import('@resvg/resvg-js');
  const fontFiles = [fileURLToPath(import.meta.resolve(FONT))];
  const options = { font: { fontFiles, loadSystemFonts: false, defaultFontFamily: 'DejaVu Sans' } };
  return new Resvg(svg, options).render().asPng();
}
