// Where the person is. The browser's back button works, and its history, which
// lies on the disk in plain, learns a number a step and nothing else: no name,
// no room.

export type Route =
  | { at: "conversations" }
  | { at: "room"; room: string; name: string }
  | { at: "friends" }
  | { at: "safety"; name: string }
  | { at: "settings" }
  | { at: "link" }
  | { at: "held" };

class Router {
  now: Route = $state.raw({ at: "conversations" });
  #steps: Route[] = [this.now];
  #at = 0;

  constructor() {
    history.replaceState({ step: 0 }, "");
    addEventListener("popstate", (ev) => {
      const step = (ev.state as { step?: number } | null)?.step ?? 0;
      this.#at = Math.min(step, this.#steps.length - 1);
      this.now = this.#steps[this.#at]!;
    });
  }

  go(to: Route): void {
    if (JSON.stringify(to) === JSON.stringify(this.now)) return;
    this.#at++;
    this.#steps = [...this.#steps.slice(0, this.#at), to];
    history.pushState({ step: this.#at }, "");
    this.now = to;
  }

  /** One step back, or to what stands above. */
  back(above: Route = { at: "conversations" }): void {
    if (this.#at > 0) history.back();
    else this.go(above);
  }

  reset(): void {
    this.go({ at: "conversations" });
    this.#steps = this.#steps.map(() => this.now);
  }
}

export const router = new Router();
