import { render } from "preact";
import { startKeeping } from "./state/keeping";
import { watchServer } from "./state/server";
import "./style/page.css";
import { App } from "./view/app";

startKeeping();
watchServer();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
