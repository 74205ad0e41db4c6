// The language of this page: the one the line wrote it in, so that page and script cannot differ.

export const language: "fr" | "en" = document.documentElement.lang === "en" ? "en" : "fr";

// What is said in French, and the same in English: a sentence without its English does not compile.
export function say<T>(french: T, english: T): T {
  return language === "en" ? english : french;
}
