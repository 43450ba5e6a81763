//! `merit config`: the template, a check of a file, and what holds after all.

use std::path::PathBuf;

use clap::Subcommand;
use merit_config::{Config, ConfigErrors, Place};
use serde_json::json;

use crate::Exit;
use crate::failure::Failure;
use crate::output::{Output, Table};

/// Commands on the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the commented default configuration
    Default,
    /// Report every mistake of a configuration at once
    Check {
        /// The file; without, MERIT_CONFIG or merit.toml in the working folder
        file: Option<PathBuf>,
    },
    /// Show every setting that holds, and where it comes from; secrets are redacted
    Show {
        /// The file; without, MERIT_CONFIG or merit.toml in the working folder
        file: Option<PathBuf>,
    },
}

/// Runs a command on the configuration.
pub(crate) fn config(command: ConfigCommand, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Default => output.bytes(Config::default_template().as_bytes())?,
        ConfigCommand::Check { file } => match Config::load(file.as_deref(), output.env()) {
            Ok(config) => report_right(&config, output)?,
            Err(errors) if output.json() => {
                output.json_value(&mistakes(&errors))?;
                return Ok(Exit::Usage);
            }
            Err(errors) => return Err(errors.into()),
        },
        ConfigCommand::Show { file } => {
            let config = Config::load(file.as_deref(), output.env())?;
            show(&config, output)?;
        }
    }
    Ok(Exit::Ok)
}

fn report_right(config: &Config, output: &mut Output<'_>) -> std::io::Result<()> {
    if output.json() {
        return output.json_value(&json!({ "source": config.source().to_string(), "mistakes": [] }));
    }
    let (venues, functions) = (config.venues.len(), config.functions.len());
    output.line(&format!("{}: no mistakes; {venues} venues, {functions} functions", config.source()))
}

fn mistakes(errors: &ConfigErrors) -> serde_json::Value {
    let mistakes = errors.mistakes().iter().map(|mistake| {
        let (line, column, variable) = match &mistake.place {
            Place::Whole => (None, None, None),
            Place::Line { line, column } => (Some(line), Some(column), None),
            Place::Environment(name) => (None, None, Some(name)),
        };
        json!({ "line": line, "column": column, "variable": variable, "key": mistake.key, "message": mistake.message })
    });
    json!({ "source": errors.file(), "mistakes": mistakes.collect::<Vec<_>>() })
}

fn show(config: &Config, output: &mut Output<'_>) -> std::io::Result<()> {
    if output.json() {
        let settings = config
            .settings()
            .iter()
            .map(|setting| json!({ "key": setting.key, "value": setting.value, "origin": setting.origin.to_string() }));
        let settings: Vec<_> = settings.collect();
        return output.json_value(&json!({ "source": config.source().to_string(), "settings": settings }));
    }
    output.heading(&format!("from {}", config.source()))?;
    let mut table = Table::new(&["setting", "value", "origin"]);
    for setting in config.settings() {
        table.row([setting.key.clone(), setting.value.clone(), setting.origin.to_string()]);
    }
    output.table(&table)
}
