// The dashboard: a shell with one view at a time.

import { render } from 'preact';
import './styles/base.css';
import './styles/shell.css';
import './styles/parts.css';
import { watchEvents } from './live/stream.ts';
import { pollMetrics } from './metrics/poll.ts';
import { App } from './shell/app.tsx';

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
void pollMetrics();
void watchEvents();
