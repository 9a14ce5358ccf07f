// Pages and their tables.

export { type Measured, type PageContent, renderPage } from './page.ts';
export { alignOf, type Cell, type Column, type DataTable } from './table.ts';
