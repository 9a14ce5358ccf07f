// Model hubs: fetching models into the local cache.

export { type FetchedModel, type FetchFromHubOptions, fetchFromHub, type HubProgress } from './fetch.ts';
export { type HubReference, isHubReference, parseHubReference } from './reference.ts';
