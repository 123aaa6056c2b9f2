// The screens that nobody meets first: one chunk, fetched once the others stand.
export { default as Details } from "./room/Details.svelte";
export { default as Friends } from "./people/Friends.svelte";
export { default as Held } from "./me/Held.svelte";
export { default as Join } from "./gate/Join.svelte";
export { default as Link } from "./me/Link.svelte";
export { default as Menu } from "./room/Menu.svelte";
export { default as Preferences } from "./me/Settings.svelte";
export { default as Safety } from "./people/Safety.svelte";
