import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { openCore } from "./core/core";
import { look } from "./features/look.svelte";

const target = document.getElementById("app")!;
const core = openCore(); // it loads while the words come
look.spoken.then(
  () => {
    mount(App, { target, props: { core } });
    // The letters come when the page stands, and of them the parts that it shows.
    void import("pretendard/dist/web/variable/pretendardvariable-dynamic-subset.css");
  },
  () => (target.textContent = "byre could not be loaded: reload the page. / byre를 불러오지 못했습니다. 페이지를 새로고침하세요."),
);
