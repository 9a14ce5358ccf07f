import '../../src/styles/base.css';
import '../../src/styles/parts.css';
import './lesson.css';
import { effect } from '@preact/signals';
import { render } from 'preact';
import { App } from './app.tsx';
import { words } from './words/index.ts';

effect(() => {
  document.title = `Octavo: ${words.value.title}`;
});
render(<App />, document.getElementById('app')!);
