package webcore

import (
	"context"
	"encoding/json"
	"syscall/js"
)

// Run gives the core to the worker that loaded it, and never returns. The worker
// has set byreHost.event(json), which takes events; it is given
// byreCore.call(method, args, done), where done(failure, answer) is called once
// with JSON texts, one of them null.
func Run() {
	host := js.Global().Get("byreHost")
	core := New(js.Global().Get("location").Get("origin").String(), func(ev event) {
		if b, err := json.Marshal(ev); err == nil {
			host.Call("event", string(b))
		}
	})
	ctx := context.Background()
	call := js.FuncOf(func(_ js.Value, args []js.Value) any {
		method, text, done := args[0].String(), args[1].String(), args[2]
		go func() {
			answer, err := core.Call(ctx, method, text)
			if err != nil {
				done.Invoke(Explain(err), js.Null())
				return
			}
			done.Invoke(js.Null(), answer)
		}()
		return nil
	})
	core.Start(ctx)
	js.Global().Set("byreCore", js.ValueOf(map[string]any{"call": call}))
	host.Call("ready")
	select {}
}
