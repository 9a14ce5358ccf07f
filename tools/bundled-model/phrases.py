"""Sentences that many stories share: how they begin, how friends come in, and how they end."""

BREAK = "\n\n"

OPENING = (
    "[Once upon a time, there was a {adj} [little ||young ]{hkind} named {h}. {hhe} lived {hhome}."
    "|Once upon a time, there was a {adj} {hkind} called {h} who lived {hhome}."
    "|Once upon a time, a {adj} {hkind} named {h} lived {hhome}."
    "|There once was a {adj} and {adj2} {hkind} named {h}. {hhe} lived {hhome}."
    "|{h} was a {adj} {hkind} who lived {hhome}."
    "|Long ago, there lived a {adj} {hkind} named {h}. {hhis} home was {hhome}."
    "|A {adj} {hkind} named {h} lived {hhome}."
    "|{hhome}, there lived a {adj} {hkind} named {h}."
    "|A long time ago, {hhome}, there lived a {hkind} named {h}. {hhe} was {adj} and {adj2}."
    "|In a land far away, there lived a {adj} {hkind} named {h}. {hhe} lived {hhome}."
    "|There was once a {adj} {hkind} whose name was {h}. {hhis} home was {hhome}."
    "|One day, a {adj} {hkind} named {h} woke up early. {hhe} lived {hhome}."
    "|Do you know the story of {h}? {h} was a {adj} {hkind} who lived {hhome}."
    "|This is the story of {h}, a {adj} {hkind} who lived {hhome}.]"
    "[||| {trait}]"
)
SETTING = (
    "[{time}, {h} [went for a walk|was playing|was sitting|was walking] {at1}. {sky}"
    "|{time}, {h} decided to go to {place1}. {sky}|{time}, {h} went to {place1}. {sky} {view1}."
    "|{time}, {h} was {at1}. {view1}.|{h} was {at1} {time}. {view1}."
    "|It was {season}. {h} went to {place1}[ to be alone for a while| to look around| because {hhe} liked it there|]. {view1}.]"
)
FRIEND_IN = (
    "[{hhis} best friend was {f}, a {adj2} {fkind}.|{hhe} had a good friend, a {fkind} named {f}."
    "|{h} and {hhis} friend {f}, a {adj2} {fkind}, did everything together.|{h} had a friend named {f}. {f} was a {adj2} {fkind}."
    "|{hhe} was never alone, because {hhe} had a friend, a {adj2} {fkind} named {f}."
    "|Not far away lived {f}, a {adj2} {fkind}, and the two were good friends.]"
)
HAPPY_END = (
    "[From that day on, {h} and {f} were the best of friends.|After that, they met every day and were never lonely again."
    "|And so {h} and {f} stayed friends for the rest of their lives.|They laughed and talked until the sun went down."
    "|That night, {h} fell asleep with a smile.|It was a day that {h} and {f} never forgot.|And they all lived happily ever after."
    "|If you ever come to that place, you may still see {h} and {f} there together."
    "|Even many years later, {h} and {f} liked to talk about that day.|{h} looked at {f}, and both of them began to laugh.]"
)
HOME_END = (
    "[When the moon came up, {h} went home, tired but happy.|That night, {h} fell asleep with a smile."
    "|{h} went home and told everyone what had happened.|In the evening, {h} looked at the stars and felt very happy."
    "|{h} smiled all the way home.|It was a day that {h} never forgot.|That night, {h} had the most wonderful dreams."
    "|And when {h} was old, {hhe} still told this story to the children.]"
)
SAID = "[said|answered|replied]"
