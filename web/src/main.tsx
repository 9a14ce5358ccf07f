// The page: chat on one side, the live block map on the other.

import { render } from 'preact';
import { App } from './app.tsx';
import { watchBlocks } from './frames.ts';
import './style.css';

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
void watchBlocks();
