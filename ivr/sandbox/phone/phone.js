"use strict";
// The handset. What the telephone shows is what the network answered; nothing is decided here.
const $ = (id) => document.getElementById(id);
const POLL = 1500; // milliseconds between looks into the inbox
const MOBILE = /^(\+98|0098|98|0)?9[0-79][0-9]{8}$/;
const KEYS = "123456789*0#";
let session = null; // its id while something can be answered
let busy = false;
let turn = 0; // an answer that comes after another step was taken is not shown

const plain = (text) => text.replace(/[۰-۹٠-٩]/g, (digit) => String(digit.charCodeAt(0) & 15));
const persian = (number) => number.toLocaleString("fa-IR");
const field = () => (session === null ? $("number") : $("answer"));

function owner() {
  const number = plain($("owner").value.trim());
  const right = MOBILE.test(number);
  $("owner").setAttribute("aria-invalid", String(!right));
  $("owner-wrong").textContent = right ? "" : "شمارهٔ همراه مانند 09121234567 است.";
  return right ? number : null;
}

async function ask(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  try {
    const answer = await fetch(path, options);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function say(text) {
  const line = document.createElement("p"); // a new one each time, or the same words would not be read out again
  line.textContent = text;
  $("screen").replaceChildren(line);
}

function show(shown) {
  session = shown.open ? shown.session : null;
  say(shown.text);
  $("screen").dataset.kind = shown.kind;
  $("call").textContent = shown.call;
  $("count").hidden = shown.length === null;
  if (shown.length !== null) {
    const alphabet = shown.alphabet === "gsm7" ? "GSM-7" : "UCS-2";
    $("count").textContent = `${persian(shown.length)} از ${persian(shown.most)} نویسهٔ ${alphabet}`;
  }
  $("mistake-list").replaceChildren(...shown.mistakes.map(listed));
  $("mistakes").hidden = shown.mistakes.length === 0;
  $("reply").hidden = session === null;
  $("dial").hidden = session !== null;
  $("go").textContent = session === null ? "تماس" : "ارسال";
  $("number").value = $("answer").value = "";
  field().focus();
}

function listed(text) {
  const line = document.createElement("li");
  line.textContent = text;
  return line;
}

async function exchange(path, body) {
  const mine = ++turn;
  busy = true;
  $("screen").setAttribute("aria-busy", "true");
  say("در حال ارسال…");
  const shown = await ask("POST", path, body);
  if (mine !== turn) return;
  busy = false;
  $("screen").setAttribute("aria-busy", "false");
  const lost = { kind: "network_error", open: false, call: "", text: "شبکهٔ آزمایشی پاسخ نمی‌دهد.", length: null, mistakes: [] };
  show(shown ?? lost);
  look();
}

function send(event) {
  event?.preventDefault();
  if (busy) return;
  const text = field().value.trim();
  const mobile = owner();
  if (mobile === null) $("owner").focus();
  else if (text === "") field().focus();
  else if (session === null) exchange("/phone/dial", { mobile, dialled: text });
  else exchange("/phone/reply", { session, text });
}

async function hangUp() {
  if (session !== null) {
    await exchange("/phone/hang_up", { session });
  } else if (!busy) {
    show({ kind: "ended", open: false, call: "", text: "", length: null, mistakes: [] });
  }
}

function press(key) {
  const input = field();
  input.value += key;
}

function sms(each) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = new Date(each.at * 1000).toISOString();
  time.textContent = new Date(each.at * 1000).toLocaleTimeString("fa-IR", { hour: "2-digit", minute: "2-digit" });
  const text = document.createElement("p");
  text.textContent = each.link === null ? each.text : each.text.replace(each.link, "").replace(/[:\s]+$/, "");
  line.append(time, text);
  if (each.link !== null) {
    const link = document.createElement("a");
    link.href = each.link;
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "باز کردن صفحهٔ پرداخت (در زبانهٔ تازه)";
    line.append(link);
  }
  return line;
}

let shownSms = "";
function showState(state) {
  const now = JSON.stringify([$("owner").value, state.sms.map((each) => each.number)]);
  const inbox = $("inbox");
  if (now !== shownSms) {
    const had = JSON.parse(shownSms || "[null]");
    const known = had[0] === $("owner").value ? inbox.children.length : 0; // only what is new is read out
    if (known === 0) inbox.replaceChildren();
    inbox.append(...state.sms.slice(known).map(sms));
    inbox.scrollTop = inbox.scrollHeight;
    shownSms = now;
  }
  $("no-sms").hidden = state.sms.length > 0;
  const codes = state.services.map((each) => `${each.code}#`);
  if (codes.join() !== [...$("codes").children].map((each) => each.textContent).join()) {
    $("codes").replaceChildren(...codes.map(code));
  }
  $("codes-label").textContent = codes.length > 0 ? "کدها:" : "هنوز هیچ کدی شناخته نیست.";
  showWaiting(state.waiting);
}

function code(text) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", () => {
    $("number").value = text;
    $("number").focus();
  });
  return button;
}

function showWaiting(waiting) {
  const list = $("waiting");
  const texts = waiting.map((each) => each.text);
  if (texts.join() !== [...list.children].map((each) => each.textContent).join()) {
    list.replaceChildren(...texts.map(listed));
  }
  $("no-fault").hidden = texts.length > 0;
  $("no-more").hidden = texts.length === 0;
}

async function look() {
  const mobile = owner();
  if (mobile === null) return;
  const state = await ask("GET", `/phone/state?mobile=${encodeURIComponent(mobile)}`);
  if (state !== null) showState(state);
}

for (const key of KEYS) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-label", { "*": "ستاره", "#": "مربع" }[key] ?? key);
  button.append(key);
  if (/[0-9]/.test(key)) {
    const small = document.createElement("small");
    small.textContent = persian(Number(key));
    button.append(small);
  }
  button.addEventListener("click", () => press(key));
  $("pad").append(button);
}
$("dial").addEventListener("submit", send);
$("reply").addEventListener("submit", send);
$("go").addEventListener("click", send);
$("stop").addEventListener("click", hangUp);
$("back").addEventListener("click", () => {
  field().value = field().value.slice(0, -1);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hangUp();
});
$("owner").addEventListener("change", look);
$("fault-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const mobile = owner();
  if (mobile === null) return;
  const state = await ask("POST", "/phone/faults", { mobile, choice: $("fault").value });
  if (state !== null) showWaiting(state.waiting);
});
$("no-more").addEventListener("click", async () => {
  const mobile = owner();
  if (mobile === null) return;
  const state = await ask("DELETE", `/phone/faults?mobile=${encodeURIComponent(mobile)}`);
  if (state !== null) showWaiting(state.waiting);
  $("fault").focus();
});
document.addEventListener("visibilitychange", look);
setInterval(look, POLL);
look();
