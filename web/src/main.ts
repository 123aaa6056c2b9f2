import { mount } from "svelte";
import App from "./App.svelte";
import { openCore } from "./core/core";

mount(App, { target: document.getElementById("app")!, props: { core: openCore() } });
