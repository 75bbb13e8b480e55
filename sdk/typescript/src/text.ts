import {isObject} from "./errors.js"

/** What a model says in an event, whichever API it is of; empty where it says nothing. */
export function readText(data: unknown): string {
  if(!isObject(data)){ return "" }
  const {choices, delta, type} = data
  if(Array.isArray(choices)){ return choices.map(readChoice).join("") }
  if(type === "response.output_text.delta"){ return typeof delta === "string" ? delta : "" }
  if(type === "content_block_delta" && isObject(delta)){ return asText(delta["text"]) }
  return ""
}

// The first of several: another choice is another text.
function readChoice(choice: unknown): string {
  if(!isObject(choice) || (choice["index"] ?? 0) !== 0){ return "" }
  const said = isObject(choice["delta"]) ? choice["delta"] : choice
  return asText(said["content"]) || asText(choice["text"])
}

const asText = (value: unknown): string => typeof value === "string" ? value : ""
