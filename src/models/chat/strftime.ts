// Python's strftime for chat templates, in English as the C locale has it.

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** Formats a date, local time. Directives it does not know stay as written. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (written, dash: string, directive: string) => {
    const text = directiveText(date, directive);
    if (text === null) return written;
    return dash === '-' ? text.replace(/^[0 ]+(?=.)/, '') : text;
  });
}

function directiveText(date: Date, directive: string): string | null {
  const padded = (value: number, length = 2): string => String(value).padStart(length, '0');
  const hour12 = date.getHours() % 12 || 12;
  switch (directive) {
    case 'Y':
      return String(date.getFullYear());
    case 'y':
      return padded(date.getFullYear() % 100);
    case 'm':
      return padded(date.getMonth() + 1);
    case 'd':
      return padded(date.getDate());
    case 'e':
      return String(date.getDate()).padStart(2, ' ');
    case 'B':
      return MONTHS[date.getMonth()];
    case 'b':
      return MONTHS[date.getMonth()].slice(0, 3);
    case 'A':
      return DAYS[date.getDay()];
    case 'a':
      return DAYS[date.getDay()].slice(0, 3);
    case 'j':
      return padded(dayOfYear(date), 3);
    case 'H':
      return padded(date.getHours());
    case 'I':
      return padded(hour12);
    case 'p':
      return date.getHours() < 12 ? 'AM' : 'PM';
    case 'M':
      return padded(date.getMinutes());
    case 'S':
      return padded(date.getSeconds());
    case 'F':
      return strftime(date, '%Y-%m-%d');
    case 'T':
      return strftime(date, '%H:%M:%S');
    case '%':
      return '%';
    default:
      return null;
  }
}

function dayOfYear(date: Date): number {
  const day = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((day - Date.UTC(date.getFullYear(), 0, 0)) / 86_400_000);
}
