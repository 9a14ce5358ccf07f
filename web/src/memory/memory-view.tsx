// Memory: the block map, the block that is selected, the sequences, and the page table of one of them.

import { MemoryPanels } from './memory-panels.tsx';

export function MemoryView() {
  return <MemoryPanels heightPx={620} />;
}
