// Short words that go by themselves. What must not be missed is a banner.

const FOR = 6000;

class Toasts {
  list = $state.raw<{ id: number; text: string; bad: boolean }[]>([]);
  #last = 0;

  say(text: string, bad = false): void {
    const id = ++this.#last;
    this.list = [...this.list.filter((t) => t.text !== text), { id, text, bad }].slice(-3);
    setTimeout(() => this.drop(id), FOR);
  }

  drop(id: number): void {
    this.list = this.list.filter((t) => t.id !== id);
  }
}

export const toasts = new Toasts();
