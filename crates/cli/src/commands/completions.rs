//! `mycoin completions SHELL`: what a shell needs to complete commands and options.

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use crate::args::Cli;
use crate::context::Context;
use crate::output;

pub(crate) fn run(context: &Context, shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mycoin", &mut script);
    let script = String::from_utf8_lossy(&script);
    if context.json {
        output::line(&json!({"shell": shell.to_string(), "script": script}).to_string());
    } else {
        output::line(script.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _, ValueEnum as _};

    use super::*;

    fn all(command: &Command, path: &str, visit: &mut dyn FnMut(&Command, &str)) {
        visit(command, path);
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            all(inner, &format!("{path} {}", inner.get_name()), visit);
        }
    }

    /// The final full stop is not shown: clap takes it away from summaries.
    fn is_sentence(text: &str) -> bool {
        let begins = text.starts_with(|first: char| first.is_uppercase() || first.is_ascii_digit());
        begins && text.split_whitespace().count() > 1 && !text.ends_with([':', ',', ';'])
    }

    #[test]
    fn every_command_and_option_is_explained_in_a_sentence() {
        let mut count = 0;
        all(&Cli::command(), "mycoin", &mut |command, path| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(is_sentence(&about), "{path}: “{about}”");
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(is_sentence(&help), "{path} {}: “{help}”", argument.get_id());
            }
            count += 1;
        });
        assert!(count > 30, "{count} commands");
    }

    #[test]
    fn every_shells_completions_know_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "mycoin", &mut script);
            let script = String::from_utf8(script).expect("text");
            for word in ["wallet", "psbt", "sign-message", "password-file", "combine"] {
                assert!(script.contains(word), "{shell} lacks {word}");
            }
        }
    }
}
