//! What the parts of an entry mean, in words.

/// Every text that a member of this name can be.
pub(crate) fn choices_of(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "choice" => &["approve", "deny", "confirm", "break_glass", "withdrawn"],
        "risk" => &["low", "medium", "high", "critical"],
        "bound" => &["value", "debug", "display", "skipped"],
        "kind" => &[
            "denied",
            "denied_by_policy",
            "timed_out",
            "lapsed",
            "withdrawn",
            "revoked",
            "frozen",
            "changed",
            "no_longer_approved",
            "already_finished",
            "not_asked",
            "in_doubt",
            "invalid",
            "unavailable",
            "pending",
            "decided",
        ],
        _ => return None,
    })
}

/// What a member of this name means, or what an entry of this kind tells.
pub(crate) fn meaning_of(name: &str) -> Option<&'static str> {
    Some(match name {
        // Kinds.
        "(an event that is too long for an entry)" => {
            "An event whose text lies beside the log: `payload` is its hash."
        }
        "repeated" => {
            "An event that the store took a second time; `repeats` is the number of the first."
        }
        "allowed" => "Policy allowed a call. `call` is null where the action's name decided.",
        "refused" => {
            "A call was refused: before anybody was asked, or because what would have run was not what people approved."
        }
        "requested" => "People are asked. Their votes are judged by exactly this.",
        "requested_under_grant" => "A request was born approved: an earlier yes covers it.",
        "grant_used" => "A use was taken from this request's grant.",
        "voted" => "A vote was counted.",
        "vote_refused" => "A vote was refused.",
        "stage_opened" => "The next stage of a track opened.",
        "widened" => "A stage was not decided in time and asks more people now.",
        "reminded" => "Those who are asked and have not answered were reminded.",
        "approved" => "Everybody who had to agree has.",
        "glass_broken" => "It was released by breaking the glass; a review after the fact is owed.",
        "reviewed_afterwards" => "The review after the fact was given.",
        "denied" => "Somebody who was asked said no.",
        "denied_with" => "The same call of the same requester was denied in another request.",
        "withdrawn" => "The requester took it back.",
        "expired" => "A deadline passed before everybody agreed.",
        "lapsed" => "It was approved and not run in time.",
        "revoked" => "An operator took the approval back.",
        "claimed" => "A gate claimed it: policy and voters were judged again.",
        "claim_released" => "The claim was given back unused.",
        "lease_lost" => "The claim ran out unused.",
        "started" => "The body is about to run.",
        "finished" => "The body finished.",
        "finished_late" => "A body reported after its claim was over. Nothing changed by it.",
        "in_doubt" => "It was started and no outcome is known.",
        "resolved" => "A person found out what became of it.",
        "grant_closed" => "The grant covers nothing more.",
        "frozen" => "An operator stopped everything.",
        "thawed" => "An operator lifted the freeze.",
        // Every entry.
        "schema" => "The version of this schema.",
        "number" => "Dense: the store numbers events without a gap.",
        "id" => {
            "Of an event: what sinks and exports are idempotent by. Of a request or a rule: its id."
        }
        "at" => {
            "When the store took it: UTC, milliseconds since 1970. Of a vote: when it was cast."
        }
        "request" => "The request that it is about; null for what policy decides alone.",
        "revision" => {
            "The revision that it made of the request; of a vote, the one it was cast on."
        }
        "what" => "What happened.",
        "committed" => {
            "Commitments to sensitive values, by the place (JSON pointer) where a value stood: base64url of the SHA-256 of its disclosure (RFC 9901). The value's place has `committed:` and the same; a digest's place has the same hash in hexadecimal."
        }
        "big_integers" => {
            "JSON pointers to the numbers that are carried as text, because readers of JSON may round them."
        }
        "payload" => "The event's text, in the file `payload/<sha256>` beside the log.",
        "sha256" => "The hash of the text, in hexadecimal.",
        "bytes" => "How long the text is.",
        "repeats" => "The number of the event that it repeats.",
        // Who.
        "requester" => "Who attempts it, and every principal that it acts for.",
        "actor" => "Who makes the call: `agent:…`, `service:…` or `person:…`.",
        "acting_for" => "On whose behalf, the nearest first.",
        "model" => "The agent's model, as it says.",
        "model_version" => "The model's version, as it says.",
        "run" => "The host's name for the run.",
        "session" => "The host's name for the session.",
        "trace" => "W3C trace context: a `traceparent`.",
        "root" => "The principal at the end of the chain.",
        "principals" => "The people of the chain, who cannot vote.",
        "person" => "Who voted; null where the directory does not know them.",
        "identity" => "Through which channel identity.",
        "channel" => "The channel's id at the gate.",
        "tenant" => "The channel's tenant: its workspace, organisation or realm.",
        "user" => "The channel's id of the user, which does not change.",
        "groups" => "The groups that the voter was in then, of those that the request mentions.",
        "by" => "Who did it; of `grant_used`, the request that used it.",
        "owner" => "The gate that holds the claim: one process.",
        // On what.
        "action" => "The action.",
        "call" => "The call, with everything that decides about it.",
        "declaration" => "What the author declared about the action.",
        "policy" => "The policy that judges it.",
        "signature" => "The function's signature, with how each argument is captured.",
        "version" => "The author's version of what the action does.",
        "risk" => "How much harm it can do.",
        "idempotent" => "Whether running twice does what running once does.",
        "origin" => "The function's path and place in the source.",
        "arguments" => {
            "The captured arguments in declared order: their canonical JSON in one text, and where each ends."
        }
        "fields" => "What the author bound beside the arguments; written as they are.",
        "text" => "The values, one after the other.",
        "slots" => "The arguments' names, how each is bound, and where it ends.",
        "name" => "The argument's name.",
        "bound" => {
            "What of it the digest covers: its value, its text, a fingerprint (`redacted`, with the key's id, or `commitment`), or nothing (`skipped`)."
        }
        "redacted" => {
            "The id of the key of the fingerprint; `commitment` where the value was committed to."
        }
        "end" => "Where the value ends in the text, in bytes.",
        "integers" => "JSON pointers to the integers that are carried as decimal text.",
        "resource" => "What it is done to.",
        "environment" => "Where it is done: one of the environments that the host declared.",
        "labels" => "Pairs of name and value.",
        "justification" => "Why the agent says it wants this: a claim.",
        "summary" => "One line by the author: over the arguments, or of the outcome.",
        "key" => "The host's name for this logical call.",
        "sensitive" => {
            "The names of what the author marked as sensitive: of arguments, extra fields, labels, and texts of the call. Their values are committed to. Not there where nothing is marked."
        }
        "masked" => "Where patterns found secrets, which were masked.",
        "digest" => "SHA-256, domain-separated, over everything that decides.",
        "shown" => "The hash of the presentation that reviewers saw. Its text lies beside the log.",
        "seen_revision" => "The revision that the reviewer saw.",
        "asked" => "What people are asked.",
        "asked_at" => "When they were asked.",
        "expires_at" => "When it ends at the latest.",
        "may_have_run" => "An equal call that is in doubt.",
        "granted_by" => "The request whose yes covers it.",
        "uses_left" => "How many uses are left.",
        "of" => "The request that was denied.",
        // Why.
        "kind" => "Which kind of refusal.",
        "why" => "In words.",
        "reason" => "In the words of whoever did it.",
        "reasons" => "The rules that fired, each with its reason.",
        "rule" => "The rule that asks.",
        "policy_version" => {
            "The version of the policy set that judged: a hash, a release or a commit, as the policy says. Not there where it says none."
        }
        "comment" => "In the words of whoever voted.",
        "proposal" => "Values that whoever denied would agree to.",
        "own_request" => "Whether whoever voted has a part in the request.",
        // Requirements.
        "tracks" => "The requirements, all of which must be met.",
        "agreement" => "Who has to agree: a review in stages, or the requester's own principal.",
        "review" => "Stages in order.",
        "confirm" => "The requester's own principal confirms.",
        "quorums" => "All of these have to be met.",
        "count" => "How many have to agree.",
        "from" => "Of whom.",
        "decide_within" => "How long that may take.",
        "on_timeout" => "What happens when it takes longer.",
        "escalate_to" => "Who is asked as well.",
        "execute_within" => "How long an approval holds.",
        "deadline" => "How long the whole request may take.",
        "comment_on_approve" => "Whether a yes needs a comment.",
        "comment_on_deny" => "Whether a no needs a comment.",
        "break_glass" => "Whose members may release it alone.",
        "reuse" => "What one yes covers.",
        "uses" => "How many runs.",
        "within" => "For how long.",
        "reminders" => "When those who have not answered are reminded.",
        "remind_after" | "after" | "first" => "How long after it was asked.",
        "remind_every" | "every" | "again" => "How often after that.",
        "secs" => "Seconds.",
        "nanos" => "Nanoseconds.",
        "group" => "A group.",
        // How it went.
        "vote" => "The vote.",
        "choice" => "What was said.",
        "seats" => "The seats that the vote can fill.",
        "track" => "The track.",
        "stage" => "The stage.",
        "fence" => "The number of the claim.",
        "struck" => "How many votes no longer counted when it was judged again.",
        "succeeded" => "Whether it ran to a good end.",
        _ => return None,
    })
}
