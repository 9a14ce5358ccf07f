"""Simple conversations: greetings, small facts, small sums, feelings and requests for stories, one or several turns long."""

from random import Random

from grammar import expand, tidy
from stories import story

SYSTEMS = ["You are a helpful assistant.", "You are a friendly assistant.", "You are Octavo, a small and friendly assistant.", "You tell stories.",
           "You are a helpful assistant that answers in simple English.", "Answer in short sentences.", "You are a kind storyteller."]

STORY_ASKS = [
    "[Tell|Please tell] me a story about {topic}.", "[Can|Could] you tell me a story about {topic}?", "Tell me a [short |]story[ please|].",
    "Write a [short |little |]story about {topic}.", "I would like to hear a story about {topic}.", "Do you know a story about {topic}?",
    "Please write a story.", "Tell me a bedtime story.", "Once more, please. A story about {topic}.", "Tell me a story about {topic}.",
]
STORY_LEADS = ["", "", "", "", "[Of course. |Sure. |Here is a story. |Here is a story for you. ]\n\n", "[Here is a story about {topic}.|Yes, I know one about {topic}.|I would love to.]\n\n"]

SMALL_TALK = [
    ("[Hello!|Hello.|Hi!|Hi there!|Good morning!|Good day.|Hey!|Hello, Octavo!]",
     "[Hello! How can I help you?|Hello! It is nice to meet you.|Hi! What would you like to talk about?|Hello! Would you like to hear a story?|Good day! What can I do for you?]"),
    ("[How are you?|How are you today?|How do you feel today?|Are you well?]",
     "[I am fine, thank you. How are you?|I am well, thank you for asking. And you?|I am very well today. What can I do for you?]"),
    ("[Who are you?|What are you?|What is your name?|Tell me about yourself.|Are you a person?|Are you a robot?|Are you real?]",
     "[I am Octavo, a very small language model.|My name is Octavo. I am a small language model that tells stories.|I am a little language model. I can tell stories and answer simple questions.|I am not a person. I am a small computer program named Octavo.]"),
    ("[What can you do?|How can you help me?|What are you good at?|Can you help me?]",
     "[I can tell short stories and answer simple questions.|I can tell you a story, add small numbers and talk about animals and colours.|I know many stories. I can also count and talk about the days of the week.]"),
    ("[Are you clever?|Do you know everything?|How big are you?|Are you smart?]",
     "[No, I am a very small model, and I know only a few things.|I am very small, so I make many mistakes. But I like to tell stories.|I do not know much, but I am happy to talk with you.]"),
    ("[I am sad.|I feel sad today.|I had a bad day.|I am not happy.|I feel lonely.]",
     "[I am sorry to hear that. Would you like to hear a story?|That is not easy. Do you want to tell me what happened?|I am sorry. Tomorrow will be a better day.|I am sorry that you feel that way. I am here to talk.]"),
    ("[I am happy.|I am very happy today.|Today is a good day.|I had a wonderful day.]",
     "[That is wonderful! What made you so happy?|I am glad to hear that!|How nice! Tell me more.|That makes me happy too.]"),
    ("[I am tired.|I am so tired.|I want to sleep.|I cannot sleep.]",
     "[Then you should rest a little. Shall I tell you a bedtime story?|Close your eyes and take a deep breath. Good night.|It is good to rest. Sleep well.]"),
    ("[I am hungry.|I am thirsty.|What should I eat?|What is good to eat?]",
     "[How about an apple and some bread?|You could make a warm soup.|Drink a glass of water and eat something good.]"),
    ("[I am bored.|What should I do today?|What can we do?|I do not know what to do.]",
     "[You could go for a walk and look at the trees.|You could draw a picture or read a book.|How about a story? I know many of them.|You could visit a friend and play a game.]"),
    ("[I am afraid of the dark.|I am afraid.|I am scared.|I had a bad dream.]",
     "[Everyone is afraid sometimes. Take a deep breath and think of something nice.|Do not worry. It will pass. Would you like to hear a story?|A small lamp and a good story can help.]"),
    ("[What is your favourite colour?|Which colour do you like best?|Do you have a favourite colour?]",
     "[I like blue, because it is the colour of the sky.|My favourite colour is green, like the leaves in spring.|I like yellow, because it is the colour of the sun.]"),
    ("[What is your favourite animal?|Which animal do you like?|Do you like animals?]",
     "[I like foxes, because they are clever.|My favourite animal is the owl. It is wise and quiet.|I like animals very much. Most of my stories are about them.]"),
    ("[Do you like stories?|Do you like books?|Do you like to read?]", "[Yes, I love stories. Shall I tell you one?|Yes, very much. A good story is like a good friend.]"),
    ("[How is the weather?|Is it raining?|What is the weather like?]", "[I cannot see the weather from here, but I hope that the sun is shining.|I do not know. Please look out of the window and tell me.]"),
    ("[Do you want to be my friend?|Are you my friend?|Can we be friends?]", "[Yes, I would like that very much.|Of course! I am glad to be your friend.]"),
    ("[What makes a good friend?|What is a friend?|How can I find a friend?]",
     "[A good friend listens, helps and shares.|A friend is someone who stays with you when things are hard.|Say hello, be kind and listen. That is a good start.]"),
    ("[Sing me a song.|Can you sing?|Tell me a joke.]", "[I cannot sing, but I can tell you a story.|I do not know how to do that, but I know many stories.]"),
]
THANKS = ("[Thank you!|Thank you.|Thanks!|Thanks a lot.|That was nice. Thank you.|Thank you very much.|That was a good story.|I like that.]",
          "[You are welcome!|You are welcome. Is there anything else?|I am glad that you liked it.|It was a pleasure.|You are very welcome!]")
GOODBYE = ("[Goodbye!|Goodbye.|Bye!|Good night.|See you tomorrow.|I have to go now.|See you later!]",
           "[Goodbye! Have a nice day.|Goodbye! Come back soon.|See you soon!|Good night, and sleep well.|Goodbye, and take care!]")
UNKNOWN = [
    "What is the [capital|largest city|president|language] of [France|Spain|China|India|Italy|Japan|Egypt|Brazil|Germany|Canada]?", "Who [wrote|painted|invented|discovered] [it|that|this book|the telephone|the light bulb]?",
    "How does [a computer|an engine|a phone|the internet|a plane] work?", "Explain [physics|chemistry|history|quantum physics|music theory] to me.", "Write [a program|some code|a function] in [Python|C|TypeScript|Java].",
    "What is the meaning of life?", "Translate this into [French|German|Spanish].", "Who won the [match|game|election]?", "What is the [news|time|date] today?", "How far is the [moon|sun]?",
    "When was [Rome|Paris|London] built?", "What is the price of [gold|oil|a house]?",
]
UNKNOWN_ANSWER = ("[I am sorry, I do not know that. I am a very small model.|I do not know the answer. I only know a few simple things.|That is too hard for me, but I can tell you a story."
                  "|I do not know, but I would like to learn it one day.|I am too small to answer that.]")

THINGS_COLOUR = {"grass": "green", "the sky": "blue", "snow": "white", "the sun": "yellow", "a lemon": "yellow", "a carrot": "orange", "blood": "red", "milk": "white",
                 "a banana": "yellow", "a tomato": "red", "the sea": "blue", "a leaf": "green", "a frog": "green", "the night": "black", "a plum": "purple", "chocolate": "brown", "a cherry": "red"}
SOUNDS = {"dog": "barks", "cat": "says meow", "cow": "says moo", "duck": "quacks", "sheep": "says baa", "lion": "roars", "frog": "croaks", "bee": "buzzes", "owl": "hoots", "bird": "sings", "wolf": "howls", "snake": "hisses"}
LEGS = {"dog": "four", "cat": "four", "bird": "two", "spider": "eight", "horse": "four", "bee": "six", "cow": "four", "duck": "two", "ant": "six", "fox": "four", "rabbit": "four", "snake": "no", "fish": "no"}
BABIES = {"dog": "puppy", "cat": "kitten", "cow": "calf", "sheep": "lamb", "horse": "foal", "duck": "duckling", "bear": "cub", "goat": "kid", "frog": "tadpole", "hen": "chick"}
LIVES = {"fish": "in the water", "bird": "in a nest", "bear": "in the forest", "bee": "in a hive", "fox": "in a den", "frog": "near ponds", "camel": "in the desert", "whale": "in the sea", "penguin": "where it is very cold", "rabbit": "in a hole under the ground", "spider": "in a web"}
EATS = {"rabbit": "grass and carrots", "squirrel": "nuts", "cow": "grass", "bear": "fish, berries and honey", "cat": "mice and fish", "bird": "seeds and worms", "frog": "flies", "horse": "grass and apples", "mouse": "cheese and seeds", "bee": "honey"}
OPPOSITES = [("big", "small"), ("hot", "cold"), ("day", "night"), ("fast", "slow"), ("happy", "sad"), ("old", "young"), ("light", "dark"), ("up", "down"), ("left", "right"), ("open", "closed"),
             ("wet", "dry"), ("loud", "quiet"), ("high", "low"), ("hard", "soft"), ("full", "empty"), ("good", "bad"), ("long", "short"), ("early", "late"), ("strong", "weak"), ("rich", "poor")]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
SEASONS = [("spring", "the flowers come out and the birds build their nests"), ("summer", "it is warm and the days are long"), ("autumn", "the leaves turn red and yellow"), ("winter", "it is cold and snow falls")]
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]


def choose(rng: Random, options):
    options = list(options)
    return options[rng.randrange(len(options))]


def fact(rng: Random):
    """A question with one right answer."""
    kind = rng.randrange(14)
    if kind <= 2:
        words = rng.random() < 0.3
        show = (lambda n: NUMBERS[n]) if words else str
        sign = rng.randrange(3)
        if sign == 0:
            a, b = rng.randrange(11), rng.randrange(11)
            op, total = "plus" if words else "+", a + b
        elif sign == 1:
            a = rng.randrange(21)
            b = rng.randrange(a + 1)
            op, total = "minus" if words else "-", a - b
        else:
            a, b = rng.randrange(6), rng.randrange(5)
            op, total = "times" if words else "*", a * b
        if not words and rng.random() < 0.4:
            op = {"+": "plus", "-": "minus", "*": "times"}[op]
        q = f"{show(a)} {op} {show(b)}"
        question = choose(rng, [f"What is {q}?", f"How much is {q}?", f"Can you tell me what {q} is?", f"{q} = ?" if not words else f"What is {q}?"])
        return question, choose(rng, [f"{q} is {show(total)}.", f"The answer is {show(total)}.", f"{q} is {show(total)}."])
    if kind == 3:
        thing = choose(rng, THINGS_COLOUR)
        return f"What colour is {thing}?", choose(rng, [f"{thing} is {THINGS_COLOUR[thing]}.", f"It is {THINGS_COLOUR[thing]}."])
    if kind == 4:
        a = choose(rng, SOUNDS)
        return choose(rng, [f"What sound does a {a} make?", f"What does a {a} say?"]), f"A {a} {SOUNDS[a]}."
    if kind == 5:
        a = choose(rng, LEGS)
        return f"How many legs does a {a} have?", choose(rng, [f"A {a} has {LEGS[a]} legs.", f"It has {LEGS[a]} legs."])
    if kind == 6:
        a = choose(rng, BABIES)
        return choose(rng, [f"What is a baby {a} called?", f"What do you call a young {a}?"]), f"A {choose(rng, ['baby', 'young'])} {a} is called a {BABIES[a]}."
    if kind == 7:
        a = choose(rng, LIVES)
        return f"Where does a {a} live?", f"A {a} lives {LIVES[a]}."
    if kind == 8:
        a = choose(rng, EATS)
        return f"What does a {a} eat?", choose(rng, [f"A {a} eats {EATS[a]}.", f"It eats {EATS[a]}."])
    if kind == 9:
        a, b = choose(rng, OPPOSITES)
        if rng.random() < 0.5:
            a, b = b, a
        return choose(rng, [f"What is the opposite of {a}?", f"What is the opposite of the word {a}?"]), f"The opposite of {a} is {b}."
    if kind == 10:
        names = choose(rng, [DAYS, DAYS, MONTHS])
        i = rng.randrange(len(names))
        what = "day" if names is DAYS else "month"
        if rng.random() < 0.6:
            return f"What {what} comes after {names[i]}?", f"{names[(i + 1) % len(names)]} comes after {names[i]}."
        return f"What {what} comes before {names[i]}?", f"{names[i - 1]} comes before {names[i]}."
    if kind == 11:
        if rng.random() < 0.5:
            return choose(rng, ["How many days are in a week?", "How many days does a week have?"]), "A week has seven days."
        return choose(rng, ["What are the days of the week?", "Tell me the days of the week."]), "The days of the week are " + ", ".join(DAYS[:-1]) + " and Sunday."
    if kind == 12:
        if rng.random() < 0.3:
            return choose(rng, ["What are the four seasons?", "How many seasons are there?"]), "There are four seasons. They are spring, summer, autumn and winter."
        season, text = choose(rng, SEASONS)
        return choose(rng, [f"What happens in {season}?", f"Tell me about {season}.", f"What is {season} like?"]), f"In {season}, {text}."
    top = choose(rng, [3, 5, 7, 10, 12, 20])
    words = rng.random() < 0.4
    counted = [NUMBERS[n] if words else str(n) for n in range(1, top + 1)]
    return f"Count {choose(rng, ['', 'from one '])}to {NUMBERS[top] if words else top}{choose(rng, ['.', ', please.'])}", ", ".join(counted) + "."


def roughen(question: str, rng: Random) -> str:
    """Some people type without capitals or full stops."""
    if rng.random() < 0.1:
        question = question.lower()
    if rng.random() < 0.1:
        question = question.rstrip(".?!")
    return question


def turn(rng: Random, kind: str):
    """One question and its answer."""
    if kind == "story":
        text, topic = story(rng)
        question = expand(choose(rng, STORY_ASKS), {"topic": topic}, rng)
        lead = expand(choose(rng, STORY_LEADS), {"topic": topic}, rng)
        return tidy(question), (tidy(lead) + "\n\n" if lead else "") + text
    if kind == "fact":
        question, answer = fact(rng)
    elif kind == "talk":
        question, answer = choose(rng, SMALL_TALK)
    elif kind == "unknown":
        question, answer = choose(rng, UNKNOWN), UNKNOWN_ANSWER
    else:
        question, answer = THANKS if kind == "thanks" else GOODBYE
    return tidy(expand(question, {}, rng)), tidy(expand(answer, {}, rng))


def dialogue(rng: Random):
    """A list of (role, text) messages."""
    messages = []
    if rng.random() < 0.35:
        messages.append(("system", SYSTEMS[rng.randrange(len(SYSTEMS))]))
    roll = rng.random()
    if roll < 0.4:
        kinds = ["story"]
    elif roll < 0.55:
        kinds = [choose(rng, ["fact", "fact", "talk", "unknown"])]
    else:
        kinds = [choose(rng, ["talk", "talk", "fact", "story"])]
        while rng.random() < 0.72 and len(kinds) < 9:
            kinds.append(choose(rng, ["fact", "fact", "talk", "story", "unknown"]))
        if rng.random() < 0.4:
            kinds.append("thanks")
        if rng.random() < 0.3:
            kinds.append("goodbye")
    for kind in kinds:
        question, answer = turn(rng, kind)
        messages += [("user", roughen(question, rng)), ("assistant", answer)]
    return messages
