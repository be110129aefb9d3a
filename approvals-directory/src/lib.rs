//! People, groups and channel identities from a file that is checked and reloaded: a
//! [`Directory`](approvals_core::Directory).
//!
//! ```toml
#![doc = include_str!("../people.example.toml")]
//! ```
//!
//! The channel is the id under which the gate knows it. An identity is the tenant and the immutable
//! user id: on Slack the team's id (`T…`, or the organisation's `E…` where the channel is installed
//! for one) and the member id, on Teams the tenant's id and the Entra object id, both in lower case.
//!
//! # What a file has to be
//!
//! Loading checks everything and tells everything that is wrong at once, in the order of the file,
//! by line and column and with the fix ([`LoadError`]): unknown people, groups and keys, groups in a
//! circle, groups that nobody active is in, an identity or an e-mail address of two people, ids that
//! differ in case only, an agent or a service in a group, owners that are not active people,
//! malformed names, a person of whom nothing is said. Where the syntax is broken, that is told
//! alone. A file has at most [`MAX_FILE`] bytes.
//!
//! # Changes
//!
//! [`FileDirectory::reload`], or [`FileDirectory::watch`] in a task of the host's, loads the files
//! again: all of it at once, or nothing when anything is wrong. What was known before then stays,
//! an error is logged, and [`FileDirectory::status`] says since when and why. So a person who has
//! left votes on until the file that says so loads: look at the answer, or limit it with
//! [`Opening::stale_for_at_most`].
//!
//! Nobody ever gets the id of somebody who left: requests and the trail name people by it. Keep them
//! with `active = false`.
//!
//! # Linking identities
//!
//! A person proves that an account is theirs: the directory's side makes a one-time code
//! ([`FileDirectory::begin_link`]), the person sends it from the account, and the channel hands both
//! in (`Directory::link_by_code`, which is [`FileDirectory::finish_link`]). A code that others could
//! read ends with [`FileDirectory::revoke_code`]. Links are kept in `links.toml` beside the people file, which
//! the program replaces as a whole, under a lock that holds off other processes of the machine. Only
//! its user can read it, so the processes that share it run as one user. An identity that is
//! somebody else's is never linked.
//!
//! ```
//! use approvals_core::{ChannelIdentity, ChannelId, Directory, PersonId};
//! use approvals_directory::FileDirectory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("approvals-directory-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("people.toml");
//! std::fs::write(&file, "people.alice.name = 'Alice Example'")?;
//! let directory = FileDirectory::open(&file)?;
//! let (alice, slack) = (PersonId::new("alice")?, ChannelId::new("slack")?);
//! let account = ChannelIdentity::new(slack.clone(), "T024BE7LD", "U061F7AUR");
//! assert_eq!(directory.person(&account).await?, None);
//!
//! let code = directory.begin_link(&alice, &slack)?; // shown to Alice, once
//! let linked = directory.finish_link(&account, code.reveal())?; // she sent it from Slack
//! assert_eq!(linked, alice);
//! assert_eq!(directory.person(&account).await?, Some(alice));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(()) }
//! ```

mod answering;
mod code;
mod directory;
mod draft;
mod email;
mod file;
mod groups;
mod identity;
mod linking;
mod links;
mod mistake;
mod opening;
mod roster;
mod snapshot;
mod syntax;
mod watch;

pub use code::LinkCode;
pub use directory::{Entry, FileDirectory, Reloaded, Stale, Status};
pub use file::MAX_FILE;
pub use linking::LinkError;
pub use links::Link;
pub use mistake::{LoadError, MAX_MISTAKES, Mistake, Place};
pub use opening::Opening;
