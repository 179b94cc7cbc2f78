//! What the files in `deploy/` say about metrics and alerts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::promql;

const RULES: &str = "deploy/prometheus/rules";
/// The tests of the rules.
pub(super) const RULE_TESTS: &str = "deploy/prometheus/tests";
const DASHBOARDS: &str = "deploy/grafana";

/// What Prometheus and Grafana are told to look at.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) rules: Vec<Rule>,
    /// The names of alerts in the tests, once for each case.
    pub(super) tested: Vec<String>,
    /// The expressions of each dashboard.
    dashboards: Vec<(String, Vec<String>)>,
}

/// A rule that records or alerts.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) record: Option<String>,
    pub(super) alert: Option<String>,
    expr: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RuleFile {
    groups: Vec<RuleGroup>,
}

#[derive(Deserialize)]
struct RuleGroup {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct TestFile {
    tests: Vec<TestGroup>,
}

#[derive(Deserialize)]
struct TestGroup {
    #[serde(default)]
    alert_rule_test: Vec<TestCase>,
}

#[derive(Deserialize)]
struct TestCase {
    alertname: String,
}

impl Files {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let (mut rules, mut tested, mut dashboards) = (Vec::new(), Vec::new(), Vec::new());
        for path in files(&root.join(RULES), "yml")? {
            let file: RuleFile = yaml(&path)?;
            rules.extend(file.groups.into_iter().flat_map(|group| group.rules));
        }
        for path in files(&root.join(RULE_TESTS), "yml")? {
            let file: TestFile = yaml(&path)?;
            let cases = file.tests.into_iter().flat_map(|group| group.alert_rule_test);
            tested.extend(cases.map(|case| case.alertname));
        }
        for path in files(&root.join(DASHBOARDS), "json")? {
            let text = read(&path)?;
            let json: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mut expressions = Vec::new();
            collect(&json, &mut expressions);
            dashboards.push((name, expressions));
        }
        Ok(Self { rules, tested, dashboards })
    }

    /// The metrics that are read, and by whom: an alert, a recorded metric or a dashboard.
    pub(super) fn reads(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut reads: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut note = |reader: &str, expression: &str| {
            for metric in promql::metrics(expression) {
                reads.entry(metric).or_default().insert(reader.to_owned());
            }
        };
        for rule in &self.rules {
            let name = rule.alert.as_ref().or(rule.record.as_ref());
            note(name.map_or("?", String::as_str), &rule.expr);
        }
        for (name, expressions) in &self.dashboards {
            for expression in expressions {
                note(&format!("{name}.json"), expression);
            }
        }
        reads
    }

    /// The metrics that rules make.
    pub(super) fn recorded(&self) -> BTreeSet<&str> {
        self.rules.iter().filter_map(|rule| rule.record.as_deref()).collect()
    }
}

/// The files of this kind in a folder, in the order of their names.
pub(super) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn yaml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    serde_yaml_ng::from_str(&read(path)?).with_context(|| path.display().to_string())
}

/// All expressions in a dashboard, wherever they stand.
fn collect(json: &Value, expressions: &mut Vec<String>) {
    match json {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == "expr" => expressions.push(text.clone()),
                    value => collect(value, expressions),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, expressions)),
        _ => {}
    }
}
