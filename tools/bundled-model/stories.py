"""Makes a story: chooses a plot, casts it and words it."""

from random import Random

import plots_everyday as everyday
import plots_fables as fables
from grammar import expand, sentence, tidy
from world import Cast

TOPICS = {
    "lost_thing": ["a lost {thing}", "a {hkind} who lost a {thing}"], "hurt_animal": ["a hurt {fkind}", "a {hkind} and a {fkind}", "kindness"],
    "new_friend": ["friendship", "a lonely {hkind}", "a new friend"], "fear": ["courage", "a {hkind} who was afraid of {what}", "being brave"],
    "sharing": ["sharing", "a {hkind} and a {fkind}", "a hungry {fkind}"], "storm": ["a storm", "rain and thunder", "two friends in a storm"],
    "truth": ["telling the truth", "a broken {broken}", "a {hkind} who broke something"], "contest": ["a {contest}", "winning and losing", "a contest"],
    "seed": ["a seed", "a {plant}", "patience"], "lost_in_forest": ["the forest", "a {hkind} who got lost", "a {fkind} in the forest"],
    "building": ["building a {what}", "a {what}", "two friends who build something"], "treasure": ["a treasure", "a treasure map", "an adventure"],
    "birthday": ["a birthday", "a surprise", "a birthday party"], "wish": ["magic", "a wish", "a magic wish"],
    "rescue": ["a {pet}", "saving a {pet}", "two helpers"], "noise": ["a strange noise", "the night", "a noise at night"],
    "market": ["the market", "a {fkind}", "a {hkind} at the market"], "snow": ["winter", "snow", "a snowman"],
    "helper_day": ["making {make}", "a {r}", "learning something new"], "proud_one": ["a proud {hkind}", "a {hkind} and a {fkind}", "pride"],
    "lazy_one": ["a lazy {hkind}", "two neighbours", "winter"],
    "quarrel": ["a quarrel", "two friends who were angry", "saying sorry"], "sick_friend": ["a sick friend", "helping a friend", "a {hkind} who was sick"],
    "music": ["music", "a {tool}", "a {hkind} who played the {tool}"], "letter": ["a letter", "a {hkind} and a letter", "the wind"],
    "new_home": ["a new home", "a {hkind} who had to move", "moving to {new}"], "dragon": ["a dragon", "a {hkind} and a dragon", "a friendly dragon"],
    "fallen_star": ["a star", "the night sky", "a {hkind} and a star"], "riddle": ["a riddle", "a {k}", "a clever {hkind}"],
    "two_on_a_bridge": ["a bridge", "a {hkind} and a {fkind}", "two stubborn animals"], "robot": ["a robot", "a {hkind} and a robot", "a robot named {f}"],
    "lighthouse": ["a lighthouse", "the sea", "a storm at sea"], "clever_trick": ["a clever {hkind}", "a {fkind} and a {hkind}", "a trick"],
}
PLOTS = [getattr(everyday, name, None) or getattr(fables, name) for name in TOPICS]


def story(rng: Random):
    """One story and a short phrase that says what it is about."""
    plot = PLOTS[rng.randrange(len(PLOTS))]
    cast = Cast(rng)
    cast.scene()
    parts = plot(cast)
    cast.vars.setdefault("trait", cast.trait())
    text = " ".join(sentence(expand(part, cast.vars, rng)) for part in parts)
    topics = TOPICS[plot.__name__]
    topic = expand(topics[rng.randrange(len(topics))], cast.vars, rng)
    if rng.random() < 0.15:
        topic = expand("a {hkind} named {h}", cast.vars, rng)
    return tidy(text), tidy("x " + topic)[2:]
