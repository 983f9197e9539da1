// Pages that stay true while something goes on.

import { get } from "./api.js";

const WAIT_S = 20; // three requests a minute while nothing happens
const REST_S = 8; // between two looks, where the service does not keep who asks waiting

/** Follow something whose answer has a `mark`: `take(answer)` hears of each other one, and says false to stop. */
export function follow(page, route, take) {
  let seen = "", rest = 0;
  return page.every(0.2, async () => {
    if (rest > Date.now()) return undefined;
    const begun = Date.now();
    const found = await get(`${route}?seen=${encodeURIComponent(seen)}&wait_s=${seen ? WAIT_S : 0}`, page.signal);
    if (found.mark === seen) {
      if (Date.now() - begun < 2000) rest = Date.now() + REST_S * 1000;
      return undefined;
    }
    seen = found.mark;
    return take(found);
  });
}
