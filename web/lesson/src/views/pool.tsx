// The pool as a grid of blocks: whose each is, how full, what is kept.

import { colourOf } from '../colours.ts';
import { words } from '../words/index.ts';
import type { BlockState } from '../world/frame.ts';

function describeBlock(block: BlockState, id: number, blockSize: number): string {
  const { legend } = words.value;
  const owners = block.owners.length > 0 ? block.owners.join(', ') : block.isCached ? legend.cached : legend.free;
  return words.value.block(id, owners, block.filled, blockSize);
}

function Block({ block, id, blockSize }: { block: BlockState; id: number; blockSize: number }) {
  const { owners, isCached, filled } = block;
  const kind = owners.length === 0 ? (isCached ? 'cached' : 'free') : owners.length > 1 ? 'shared' : 'owned';
  const stripes = owners.map(
    (name, i) => `${colourOf(name)} ${(i / owners.length) * 100}% ${((i + 1) / owners.length) * 100}%`,
  );
  const label = describeBlock(block, id, blockSize);
  return (
    <li class={`block ${kind}`} title={label} aria-label={label}>
      <span
        class="fill"
        style={{
          width: `${(Math.min(filled, blockSize) / blockSize) * 100}%`,
          ...(owners.length > 0 ? { background: `linear-gradient(${stripes.join(', ')})` } : {}),
        }}
      />
      <span class={filled * 2 > blockSize ? 'who filled' : 'who'}>
        {owners.length > 1 ? owners.length : (owners[0] ?? '')}
      </span>
      <span class="id">{id}</span>
    </li>
  );
}

export function Pool({ blocks, blockSize }: { blocks: readonly BlockState[]; blockSize: number }) {
  return (
    <ul class="pool" style={{ '--slots': blockSize }}>
      {blocks.map((block, id) => (
        <Block key={id} block={block} id={id} blockSize={blockSize} />
      ))}
    </ul>
  );
}

export function Legend() {
  const { legend } = words.value;
  return (
    <ul class="legend">
      {(['owned', 'shared', 'cached', 'free'] as const).map((kind) => (
        <li key={kind}>
          <span class={`swatch ${kind}`} />
          {legend[kind]}
        </li>
      ))}
    </ul>
  );
}
