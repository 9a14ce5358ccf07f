"""The people, animals, places, weather and things that stories and dialogues are made of."""

from random import Random

GIRLS = ["Anna", "Lily", "Mia", "Emma", "Rosa", "Nina", "Clara", "Ella", "Ruby", "Lucy", "Maya", "Zoe", "Nora", "Alice", "Ida", "Eva", "Julia",
         "Marta"]
BOYS = ["Tom", "Ben", "Max", "Leo", "Sam", "Jack", "Finn", "Oscar", "Hugo", "Adam", "Noah", "Theo", "Luke", "Peter", "Paul", "Felix", "Henry",
        "Simon"]
PETS_F = ["Daisy", "Hazel", "Honey", "Pepper", "Olive", "Bella", "Coco", "Willow"]
PETS_M = ["Pip", "Rusty", "Bruno", "Toby", "Milo", "Oliver", "Patch", "Barney"]

WALKERS = ["fox", "rabbit", "bear", "mouse", "squirrel", "hedgehog", "badger", "otter", "deer", "goat", "lamb", "donkey", "kitten",
           "puppy", "turtle", "beaver"]
SMALL_ANIMALS = ["bird", "rabbit", "kitten", "puppy", "squirrel", "hedgehog", "duck", "fox", "owl", "mouse"]
WISE = ["owl", "turtle", "bear", "goat", "badger", "frog"]
JOBS = ["baker", "farmer", "gardener", "fisherman", "painter", "teacher", "tailor", "shepherd", "cook", "potter", "carpenter", "miller", "postman",
        "clockmaker"]

SEASONS = ["a warm day in spring", "a hot day in summer", "a windy day in autumn", "a clear day in winter", "a quiet Sunday", "the first day of spring",
           "the last day of summer", "a grey morning", "a bright morning in May", "late in the afternoon"]
HOBBIES = ["sing", "dance", "read", "climb trees", "look at the clouds", "tell funny stories", "watch the stars", "swim", "ask questions", "explore new places",
           "collect shiny stones", "sit by the fire"]
FURRY = ["fox", "rabbit", "bear", "mouse", "squirrel", "badger", "otter", "kitten", "puppy", "beaver"]
KIND = ["kind", "brave", "curious", "clever", "cheerful", "gentle", "friendly", "quiet", "shy", "happy", "careful", "patient"]
COLOURS = ["red", "blue", "green", "yellow", "white", "brown", "orange", "purple", "silver", "golden"]

HOMES = [
    "in a small house near the river", "in a village at the foot of a mountain", "in a cottage at the edge of the forest",
    "in a tall house in the city", "on a farm behind the hills", "in a little town by the sea", "in a house with a red door",
    "in a quiet valley", "near a big lake", "in a house on top of a hill", "in a cottage with a large garden",
    "in a village where everyone knew each other",
]
BURROWS = [
    "in a hollow tree in the forest", "in a warm den under an oak tree", "near a stream in the woods", "at the edge of a green meadow",
    "on a small farm near the village", "in a cosy hole under a hill", "beside a pond full of lilies", "deep in the forest",
]
# (where, name with article, what one hears or sees there)
PLACES = [
    ("in the forest", "the forest", "The [birds were singing in the trees|leaves were moving in the wind|sun was shining through the branches]"),
    ("in the park", "the park", "[Children were playing on the grass|A man was feeding the ducks|Some dogs were running around]"),
    ("in the garden", "the garden", "[Bees were flying from flower to flower|The roses smelled sweet|A butterfly was sitting on a leaf]"),
    ("on the beach", "the beach", "[The waves were rolling onto the sand|White birds were flying over the water|The sand was warm and soft]"),
    ("in the meadow", "the meadow", "[The grass was tall and green|There were flowers everywhere|A few sheep were eating grass]"),
    ("by the lake", "the lake", "[The water was calm and clear|Two swans were swimming on the water|A small boat was moving slowly across the water]"),
    ("by the river", "the river", "[The water was running over the stones|Small fish were swimming in the water|A frog was sitting on a stone]"),
    ("on the hill", "the hill", "[The wind was blowing through the grass|The whole village could be seen from there|Clouds were sailing across the sky]"),
    ("at the market", "the market", "[People were buying bread and fruit|The air smelled of fresh bread|There were apples, pears and plums on every table]"),
]
TIMES = [
    ("one sunny morning", "The sky was [blue|clear and blue|bright], and the [birds were singing|air was fresh|sun was warm]."),
    ("one warm afternoon", "[The sun was high in the sky|The sun was shining brightly|There was not a cloud in the sky]."),
    ("one windy day", "The [leaves were dancing in the air|trees were bending in the wind|clouds were moving fast]."),
    ("one cold morning", "There was [frost on the windows|a thin layer of ice on the pond|fog over the fields]."),
    ("one spring day", "The [first flowers were out|trees were covered in blossoms|snow was gone and the grass was green again]."),
    ("one summer day", "It was [hot|so warm that everyone was outside|a perfect day to be outside]."),
    ("one autumn morning", "The leaves were [red and yellow|falling from the trees|golden in the sun]."),
    ("one winter day", "[Snow was falling from the sky|The roofs were white with snow|Everything was covered in snow]."),
    ("early in the morning", "The sun was [just coming up|still low|rising over the hills]."),
]

TREASURES = ["ball", "kite", "hat", "scarf", "toy boat", "drum", "book", "bracelet", "key", "whistle", "music box", "lantern", "teddy bear", "basket", "paintbrush"]
FOODS = ["bread", "an apple", "a piece of cake", "some cheese", "a bowl of soup", "some berries", "a honey cake", "a carrot", "two cookies", "a pear"]
FRUITS = ["apple", "pear", "plum", "cherry", "peach", "lemon"]
RELATIVES = [("mother", "she", "her", "her"), ("father", "he", "him", "his"), ("grandmother", "she", "her", "her"), ("grandfather", "he", "him", "his")]

_FORMS = {"she": ("she", "her", "her", "herself", "hers"), "he": ("he", "him", "his", "himself", "his")}


class Cast:
    """Chooses who a story is about; every name is used once, and pronouns always fit."""

    def __init__(self, rng: Random):
        self.rng = rng
        self.vars: dict[str, str] = {}
        self.used: set[str] = set()

    def pick(self, options):
        """One option that this story has not used yet, or any if it has used them all."""
        fresh = [option for option in options if option not in self.used] or options
        option = fresh[self.rng.randrange(len(fresh))]
        self.used.add(option)
        return option

    def pronouns(self, key: str, she: bool):
        subject, obj, possessive, reflexive, _ = _FORMS["she" if she else "he"]
        self.vars.update({f"{key}he": subject, f"{key}him": obj, f"{key}his": possessive, f"{key}self": reflexive})

    def child(self, key: str):
        she = self.rng.random() < 0.5
        self.vars[key] = self.pick(GIRLS if she else BOYS)
        self.vars[key + "kind"] = "girl" if she else "boy"
        self.vars[key + "home"] = self.pick(HOMES)
        self.pronouns(key, she)

    def worker(self, key: str):
        she = self.rng.random() < 0.4
        self.vars[key] = self.pick(GIRLS if she else BOYS)
        jobs = [j for j in JOBS if not (she and j in ("fisherman", "postman"))]
        self.vars[key + "kind"] = self.pick(jobs)
        self.vars[key + "home"] = self.pick(HOMES)
        self.pronouns(key, she)

    def animal(self, key: str, kinds=WALKERS):
        she = self.rng.random() < 0.5
        self.vars[key] = self.pick(PETS_F if she else PETS_M)
        self.vars[key + "kind"] = self.pick(kinds)
        self.vars[key + "home"] = self.pick(BURROWS)
        self.pronouns(key, she)

    def someone(self, key: str, workers: bool = False):
        """A child, an animal or, if allowed, a grown-up with a trade."""
        roll = self.rng.random()
        if roll < 0.5:
            self.child(key)
        elif workers and roll < 0.7:
            self.worker(key)
        else:
            self.animal(key)

    def companion(self, key: str, of: str):
        """Someone of the same sort as an earlier character: a child for a child, an animal for an animal."""
        if self.vars[of + "kind"] in ("girl", "boy"):
            self.child(key)
        elif self.vars[of + "kind"] in JOBS:
            self.worker(key)
        else:
            self.animal(key)

    def relative(self, key: str):
        noun, he, him, his = RELATIVES[self.rng.randrange(len(RELATIVES))]
        self.vars.update({key: noun, key + "he": he, key + "him": him, key + "his": his})

    def trait(self) -> str:
        """A sentence about the looks or habits of the hero, true of any character."""
        v, rng = self.vars, self.rng
        if rng.random() < 0.5:
            v["hobby"] = self.pick(HOBBIES)
            return "[{hhe} liked to {hobby}.|{hhe} loved to {hobby}.|Most of all, {hhe} liked to {hobby}.|Every evening, {hhe} liked to {hobby}.|In {hhis} free time, {hhe} liked to {hobby}.]"
        if v["hkind"] in ("girl", "boy"):
            return ("[{hhe} had [brown|black|red|long|short|curly] hair and [green|blue|brown|dark] eyes.|{hhe} was [six|seven|eight|nine|ten] years old."
                    "|{hhe} always wore a [red|blue|green|yellow] [coat|hat|scarf].|{hhe} lived there with {hhis} [mother|father|grandmother|grandfather|family].]")
        if v["hkind"] in JOBS:
            return "[{hhe} was the best {hkind} far and wide.|{hhe} got up early every day and worked hard.|Everyone in the village knew {hhim}.|People came from far away to see {hhis} work.]"
        if v["hkind"] in FURRY:
            return "[{hhe} had soft fur and bright eyes.|{hhis} fur was [brown|grey|white|black] and soft.|{hhe} had a [long|short|soft] tail and small ears.|All the other animals knew {hhim}.]"
        return "[All the other animals knew {hhim}.|{hhe} knew every path and every stone there.|{hhe} was [two|three|four] years old.]"

    def scene(self):
        """The hero's character, a time with its weather, and three different places."""
        v = self.vars
        v["season"] = self.pick(SEASONS)
        v["adj"] = self.pick(KIND)
        v["adj2"] = self.pick(KIND)
        v["time"], v["sky"] = TIMES[self.rng.randrange(len(TIMES))]
        for n, place in enumerate(self.rng.sample(PLACES, 3), 1):
            v[f"at{n}"], v[f"place{n}"], v[f"view{n}"] = place
        v["colour"] = self.pick(COLOURS)
