// Page buffers that direct input and output accepts: memory aligned to 4 KiB, without native code.

/** What direct I/O asks of addresses, lengths and positions: enough for every disk with sectors of up to 4 KiB. */
export const IO_ALIGNMENT = 4096;

const WASM_PAGE_BYTES = 65536;
const LARGEST_ARENA_BYTES = 2 ** 31;

/** The part of WebAssembly that is used here; the compiler's library for Node lacks it. */
interface WasmGlobal {
  readonly WebAssembly: {
    readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  };
}

/** Buffers that were mapped by the system: they begin on a memory page. */
const mappedBuffers = new WeakSet<ArrayBufferLike>();

export function alignUp(bytes: number, alignment = IO_ALIGNMENT): number {
  return Math.ceil(bytes / alignment) * alignment;
}

/** Whether the address of `view` is known to be a multiple of IO_ALIGNMENT. Its length may be anything. */
export function isAligned(view: Uint8Array): boolean {
  return view.byteOffset % IO_ALIGNMENT === 0 && mappedBuffers.has(view.buffer);
}

/**
 * Zeroed memory, aligned where the system allows it: WebAssembly memories are mapped straight from the system, which takes the
 * pages only when they are first written. Otherwise ordinary memory, for which `isAligned` is false.
 */
export function allocateAligned(bytes: number): Uint8Array {
  try {
    const pages = Math.max(1, Math.ceil(bytes / WASM_PAGE_BYTES));
    const { WebAssembly } = globalThis as unknown as WasmGlobal;
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    mappedBuffers.add(buffer);
    return new Uint8Array(buffer, 0, bytes);
  } catch {
    return new Uint8Array(bytes);
  }
}

/**
 * `count` buffers of `pageBytes` bytes each, `strideBytes` apart in as few arenas as possible. Aligned if the stride is a
 * multiple of IO_ALIGNMENT. These are the buffers to read pages into and to store them from without another copy. `prepare` is given each arena before
 * it is used.
 */
export function allocatePages(
  count: number,
  pageBytes: number,
  strideBytes = alignUp(pageBytes),
  prepare: (arena: Uint8Array) => void = () => {},
): Uint8Array[] {
  const perArena = Math.max(1, Math.floor(LARGEST_ARENA_BYTES / strideBytes));
  const pages: Uint8Array[] = [];
  for (let first = 0; first < count; first += perArena) {
    const here = Math.min(perArena, count - first);
    const arena = allocateAligned(here * strideBytes);
    prepare(arena);
    for (let i = 0; i < here; i++) pages.push(arena.subarray(i * strideBytes, i * strideBytes + pageBytes));
  }
  return pages;
}
