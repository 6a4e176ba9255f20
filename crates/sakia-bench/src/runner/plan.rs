//! What the command line asks for.

use super::modes::{MODES, Mode};
use super::systems::{self, System};

pub struct Plan {
    pub modes: Vec<&'static Mode>,
    pub rounds: usize,
    pub peers: bool,
    /// A few hundred ops of each of ours: does all of it work?
    pub smoke: bool,
    /// The reports' file name.
    pub name: String,
    /// As it was typed.
    words: Vec<String>,
}

const ROUNDS: usize = 9;

impl Plan {
    /// `[MODE|GROUP…] [--peers] [--rounds N] [--name NAME] [--smoke]`; no mode means all of them.
    pub fn read(words: &[String]) -> Result<Self, String> {
        let mut plan = Self {
            modes: Vec::new(),
            rounds: ROUNDS,
            peers: false,
            smoke: false,
            name: "latest".to_owned(),
            words: words.to_vec(),
        };
        let mut meant: Vec<&str> = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--peers" => plan.peers = true,
                "--smoke" => (plan.smoke, plan.rounds) = (true, 1),
                "--rounds" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    plan.rounds = number.filter(|n| *n > 0).ok_or("--rounds needs a number")?;
                }
                "--name" => {
                    // Of a file in the folder of the reports.
                    let name = words.next().filter(|name| !name.contains('/'));
                    plan.name = name.ok_or("--name needs a name")?.clone();
                }
                word if word.starts_with('-') => return Err(format!("what is {word}?")),
                word => meant.push(word),
            }
        }
        for word in &meant {
            if !MODES.iter().any(|mode| mode.is_meant_by(word)) {
                return Err(format!("there is no mode `{word}`; there are: {}", names()));
            }
        }
        let wanted =
            |mode: &&Mode| meant.is_empty() || meant.iter().any(|word| mode.is_meant_by(word));
        plan.modes = MODES.iter().filter(wanted).collect();
        if plan.smoke {
            // The server of files has programs of its own, which are not built for the smoke.
            plan.modes.retain(|mode| mode.group != "serve");
        }
        Ok(plan)
    }

    /// How one comes to such a run.
    pub fn command(&self) -> String {
        let words = self.words.iter().map(String::as_str);
        ["cargo", "xtask", "bench"]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// How often each system runs in a mode, unless it goes on.
    pub fn rounds_of(&self, mode: &Mode) -> usize {
        if mode.figure.wavers() { self.rounds } else { 1 }
    }

    /// Whether more rounds than those would tell more.
    pub fn may_go_on(&self, mode: &Mode) -> bool {
        !self.smoke && mode.figure.wavers()
    }

    /// How often any system runs in a mode, without those that go on.
    pub fn measures_of(&self, mode: &Mode) -> usize {
        self.rounds_of(mode) * self.systems(mode).len()
    }

    /// Who runs in a mode.
    pub fn systems(&self, mode: &Mode) -> Vec<&'static System> {
        let peers = if self.peers { mode.peers } else { &[] };
        mode.ours
            .iter()
            .chain(peers)
            .map(|name| systems::find(name))
            // One run of sakia is enough to see that it runs.
            .filter(|system| !self.smoke || !system.name.ends_with("again"))
            .collect()
    }
}

fn names() -> String {
    let names: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &str) -> Result<Plan, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Plan::read(&words)
    }

    fn modes(words: &str) -> Vec<&'static str> {
        plan(words)
            .unwrap()
            .modes
            .iter()
            .map(|mode| mode.name)
            .collect()
    }

    #[test]
    fn a_word_means_a_mode_the_beginning_of_some_or_a_group() {
        assert_eq!(modes("nop-1"), ["nop-1"]);
        assert_eq!(modes("nop"), ["nop-1", "nop-128"]);
        assert_eq!(modes("ops"), ["nop-1", "nop-128", "zero-1", "zero-128"]);
        assert_eq!(modes("zero-1 nop-1"), ["nop-1", "zero-1"]);
        assert_eq!(modes("").len(), MODES.len());
    }

    #[test]
    fn what_means_nothing_is_an_error() {
        for words in [
            "no",
            "nop-12",
            "--fast",
            "--rounds",
            "--rounds x",
            "--rounds 0",
            "--name",
            "--name up/there",
        ] {
            assert!(plan(words).is_err(), "{words}");
        }
    }

    #[test]
    fn each_system_that_a_mode_names_exists_and_its_target_runs_in_it() {
        use super::super::modes::Target;
        let all = plan("--peers").unwrap();
        for mode in &all.modes {
            let systems = all.systems(mode);
            let targets = mode.also.iter().map(|also| also.target);
            for target in targets.chain([mode.target]) {
                let Target::Of(names, _) = target else {
                    continue;
                };
                for name in names {
                    assert!(systems.iter().any(|system| system.name == *name));
                }
            }
        }
    }

    #[test]
    fn peers_run_only_if_they_are_asked_for() {
        let (without, with) = (plan("echo").unwrap(), plan("echo --peers").unwrap());
        assert_eq!(
            without.systems(without.modes[0]).len(),
            without.modes[0].ours.len()
        );
        assert!(
            with.systems(with.modes[0])
                .iter()
                .any(|system| system.name == "monoio")
        );
    }

    #[test]
    fn no_two_modes_have_one_name() {
        for (at, mode) in MODES.iter().enumerate() {
            assert!(
                MODES[..at].iter().all(|other| other.name != mode.name),
                "{}",
                mode.name
            );
        }
    }
}
