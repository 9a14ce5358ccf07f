// NUMA: topology, and pools in parts.

export { createNodeAllocator } from './node-allocator.ts';
export { createNodeMap, type NodeMap, type NodeRange } from './node-map.ts';
export { createNumaPlacement, type NumaOptions, type NumaPlacement } from './placement.ts';
export { systemReader } from './system-reader.ts';
export { type NumaNode, type NumaTopology, readNumaTopology, SYSTEM_NODES, type TreeReader } from './topology.ts';
