import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { openCore } from "./core/core";

mount(App, { target: document.getElementById("app")!, props: { core: openCore() } });
// The letters come when the page stands, and of them the parts that it shows.
void import("pretendard/dist/web/variable/pretendardvariable-dynamic-subset.css");
