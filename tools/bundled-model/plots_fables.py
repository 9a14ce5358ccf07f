"""Plots of fables and fairy tales: proud and lazy animals, dragons, stars, riddles and kings."""

from phrases import BREAK, FRIEND_IN, HAPPY_END, HOME_END, OPENING, SAID, SETTING
from world import TREASURES, WISE, Cast


def proud_one(c: Cast):
    c.animal("h", ["fox", "hare", "peacock", "rooster", "deer", "swan", "goat"])
    c.animal("f", ["turtle", "mouse", "snail", "frog", "mole", "hedgehog"])
    gift = {"fox": "clever head", "hare": "fast legs", "peacock": "long tail", "rooster": "loud voice", "deer": "tall horns", "swan": "white feathers", "goat": "strong horns"}[c.vars["hkind"]]
    c.vars["gift"] = gift
    c.vars["adj"], c.vars["adj2"] = c.pick(["proud", "vain"]), c.pick(["handsome", "beautiful"])
    c.vars["trait"] = "[All the other animals knew {hhim}.|{hhe} loved to look at {hself} in the water.]"
    c.vars["hhome"] = c.pick(["at the edge of a green meadow", "on a small farm near the village", "beside a pond full of lilies", "near a stream in the woods"])
    verb = "are" if gift.endswith(("legs", "horns", "feathers")) else "is"
    c.vars["verb"] = verb
    trap = c.pick(["got stuck in a thorn bush", "was caught in a net", "fell into a hole", "got stuck between two rocks"])
    how = {"got stuck in a thorn bush": "pulled the thorns away, one by one", "was caught in a net": "bit through the ropes, one by one",
           "fell into a hole": "dug a path into the side of the hole", "got stuck between two rocks": "dug away the earth under the rocks"}[trap]
    c.vars.update(trap=trap, how=how)
    return [
        OPENING,
        "[{hhe} was very proud of {hhis} {gift}.|{hhe} talked about {hhis} {gift} all day long.|Everyone knew {hhim}, because {hhe} always talked about {hhis} {gift}.]",
        '["Look at me," {hhe} said to all the other animals. "Nobody is as wonderful as I am."|"My {gift} {verb} the best in the land," {hhe} said every day.|Every morning, {hhe} looked at {hself} in the water and smiled.]', BREAK,
        "[{time}, {hhe} met {f}, a small {fkind}.|{time}, a little {fkind} named {f} came along the path. {sky}|{time}, {h} saw a {fkind} named {f} {at1}.]",
        '["Good morning," said {f}.|"Hello, {h}," said {f}. "How are you today?"|"What a beautiful day," said {f}.]',
        '["Go away," said {h}. "You are small and plain."|"Why should I talk to a little {fkind}?" said {h}.|{h} laughed. "What can a little {fkind} do?" {hhe} asked.]',
        "[{f} was sad and went away without a word.|\"One day, you will see,\" said {f}, and {fhe} went on {fhis} way.|{f} only smiled and went on.]", BREAK,
        "[The next day, {h} {trap}.|A few days later, {h} was not careful and {trap}.|Then one evening, {h} {trap}.]",
        "[{hhe} pulled and pushed, but {hhe} could not get free.|{hhis} {gift} could not help {hhim} now.|The more {hhe} moved, the worse it became.]",
        '["Help!" {hhe} cried. "Please help me!"|{hhe} called for help, but all the others were far away.|"Is nobody there?" {hhe} called.]',
        "[Nobody wanted to help {hhim}, because {hhe} had laughed at everyone.|It grew dark and cold, and {h} began to cry.|]", BREAK,
        "[Then {hhe} heard small steps. It was {f}.|Only little {f} heard {hhim}.|At last, someone came. It was {f}.]",
        '["Do not move," said {f}. "I will help you."|"I am small," said {f}, "but I will try."|"Why do you help me?" asked {h}. "Because you need it," said {f}.]',
        "[{f} {how}.|All night long, {f} worked. {fhe} {how}.]",
        "[When the sun came up, {h} was free.|At last, {h} was free.|It took a long time, but then {h} was free.]",
        '["I am sorry for what I said," said {h}. "You are small, but you have a big heart."|"I was wrong," said {h}. "Can you forgive me?" "Of course," said {f}.|{h} felt ashamed. "Thank you," {hhe} said quietly. "I was not nice to you."]', BREAK,
        "[From that day on, {h} was kind to everyone.|After that, {h} never laughed at anyone again.|{HE}]".replace("{HE}", HAPPY_END),
        "[||Even the smallest friend can be a great help.|Nobody is too small to help.|It is better to be kind than to be proud.]",
    ]


def lazy_one(c: Cast):
    c.animal("h", ["squirrel", "mouse", "hedgehog", "badger", "rabbit"])
    c.companion("f", "h")
    c.vars["trait"] = "All the other animals knew {hhim}."
    c.vars["store"] = c.pick(["nuts", "seeds", "apples", "berries", "acorns"])
    return [
        OPENING.replace("{adj}", "lazy").replace(" and {adj2}", " but {adj2}"),
        "[{hhe} loved to sleep in the sun.|All day long, {hhe} sang songs and slept in the grass.|{hhe} never thought about tomorrow.]",
        "[{hhis} neighbour {f}, a {fkind}, was different. {fhe} worked every day.|Next to {hhim} lived a {fkind} named {f}, who worked from morning to evening.]", BREAK,
        "[In the summer, {f} collected {store}.|When autumn came, {f} carried {store} into {fhis} home.|Every day, {f} filled {fhis} house with {store}.]",
        '["Why do you work so hard?" asked {h}. "The sun is shining. Come and play!"|"Come and lie in the sun," said {h}. "You can work tomorrow."|{h} laughed at {fhim}. "The winter is far away," {hhe} said.]',
        '["Winter will come," said {f}, "and then there will be nothing to eat."|"I will play when the work is done," said {f}.|"You should collect some {store} too," said {f}. "The days are getting shorter."]',
        '["Tomorrow," said {h}, and {hhe} went back to sleep.|But {h} only laughed and closed {hhis} eyes.|"I have time," said {h}. But {hhe} did nothing.]', BREAK,
        "[Then the winter came.|One morning, the first snow fell.|The leaves fell from the trees, and one night, the snow came.]",
        "[The ground was hard and white, and there was nothing to eat.|{h} looked for {store} everywhere, but they were all gone.|{hhe} was cold and hungry.]",
        '["If only I had listened to {f}," {hhe} thought.|"What should I do now?" {hhe} asked {hself}.|{hhis} stomach made a loud noise.]',
        "[At last, {hhe} went to {f} and knocked at the door.|Slowly, {hhe} walked through the snow to the home of {f}.]",
        '["Please," said {h}, "I have nothing to eat."|"You were right," said {h}. "I was lazy, and now I am hungry."]', BREAK,
        "[{f} looked at {hhim} for a while.|{f} opened the door.|{f} was not angry.]",
        '["Come in and get warm," {fhe} said.|"I have enough for two," said {f}. "But next year, you have to help me."|"You can stay here," said {f}, "if you tell me a story every evening."]',
        "[{h} was so glad that {hhe} cried.|{h} thanked {fhim} with all {hhis} heart.|They ate together, and {h} told funny stories.]",
        "[They spent the whole winter together, and it was warm and cosy.|All winter, {h} cooked and cleaned and sang songs for {f}.]",
        "[When spring came, {h} was the first to get up.|The next summer, {h} and {f} worked side by side.|And the next year, nobody worked harder than {h}.]", BREAK,
        "[In the evening, they sat in the sun and rested together.|After work, they still found time to play.|{HE}]".replace("{HE}", HAPPY_END),
        "[||First the work, and then the fun.|Those who think of tomorrow need not fear the winter.]",
    ]


def dragon(c: Cast):
    c.child("h")
    c.animal("f", ["dragon"])
    c.vars["trouble"], c.vars["use"] = c.pick([
        ("{fhe} could not breathe fire, only warm air", "[{f} dried all the wet clothes with {fhis} warm breath|{f} kept the babies warm with {fhis} breath in the cold winter]"),
        ("{fhe} was afraid of heights and could not fly", "[{f} carried the children on {fhis} back through the valley|{f} pulled the heavy carts up the hill]"),
        ("{fhe} did not like to fight at all", "[{f} helped the farmers in the fields|{f} lit the lamps of the village every evening]"),
        ("{fhe} was very lonely, because everyone ran away", "[{f} made a warm fire for everyone in the winter|{f} took the children for a ride over the hills]"),
    ])
    return [
        OPENING,
        "[Near the village, there was a mountain, and on the mountain lived a dragon.|Everyone in the village was afraid of the dragon in the mountain.|\"Never go up the mountain,\" the old people said. \"There is a dragon.\"]", BREAK,
        "[{time}, {h} heard someone crying in the mountains.|{time}, {h} lost the way and came to a dark cave. {sky}|{time}, {h} climbed up the mountain, because {hhe} wanted to see the dragon.]",
        "[In front of the cave sat a big green dragon with tears in {fhis} eyes.|There was the dragon. {fhe} was as big as a house, and {fhe} was crying.|Two yellow eyes looked at {hhim}. It was the dragon!]",
        "[{h} wanted to run away, but {hhis} legs did not move.|{hhis} heart was beating fast, but {hhe} stayed.|At first, {h} hid behind a rock. Then {hhe} came out.]",
        '["Why are you sad?" {hhe} asked.|"Please do not eat me," said {h}. "I only eat berries," said the dragon.|"Do not be afraid," said the dragon. "I will not hurt you. My name is {f}."]',
        "[The dragon told {hhim} everything. {trouble}.|{f} sighed. The problem was this. {trouble}.|Then the dragon told {hhim} why {fhe} was so sad. {trouble}.]", BREAK,
        '["That is not so bad," said {h}. "Everyone is different."|"You are a wonderful dragon just as you are," said {h}.|{h} sat down next to the dragon. "I like you," {hhe} said.]',
        '["Do you really think so?" asked the dragon.|{f} dried {fhis} tears and smiled, and {fhis} teeth were as big as spoons.|Nobody had ever said that to the dragon.]',
        '["Come with me to the village," said {h}.|"I will tell the others about you," said {h}.|"You should meet my friends," said {h}.]',
        "[When they came to the village, everyone ran away.|The people closed their doors and hid under their beds.|At first, all the people were afraid.]",
        '["Stop!" called {h}. "This is {f}, and {fhe} is my friend."|"There is no need to be afraid," said {h}. "{f} is kind and gentle."]',
        "[One after the other, they came out of their houses.|A little child was the first to come near and touch the green tail.|An old woman gave the dragon a cake, and {fhe} said thank you.]", BREAK,
        "[From then on, the dragon was a part of the village. {use}.|Soon everyone loved the dragon. {use}.]",
        "[Nobody was afraid any more.|And every evening, {h} and {f} watched the stars together.|The children liked the dragon best of all.]",
        HAPPY_END,
        "[||You should never be afraid of someone before you know them.|A big body can have a soft heart.]",
    ]


def fallen_star(c: Cast):
    c.child("h") if c.rng.random() < 0.6 else c.animal("h")
    c.animal("f", WISE)
    c.vars["height"] = c.pick(["the highest hill", "the tallest tree", "the old tower", "the top of the mountain"])
    way = c.pick([("threw it up as high as {hhe} could", "But the star fell down again"), ("built a long ladder", "But the ladder was too short"), ("asked the wind to carry it", "But the wind was too weak that night")])
    c.vars["first"], c.vars["fail"] = way
    return [
        OPENING, "[Every night, {hhe} looked at the stars before {hhe} went to sleep.|{hhe} loved the night and the stars.|{hhe} knew the names of many stars.]", BREAK,
        "[One night, {hhe} saw a light fall from the sky.|One night, a star fell from the sky and landed {at1}.|One clear night, there was a flash in the sky, and something fell to the ground.]",
        "[{h} ran outside and found a tiny star in the grass.|{hhe} ran to see what it was. There, in the grass, was a little star.|{h} followed the light and found a small star under a bush.]",
        "[It was as small as a nut, and its light was weak.|It was warm and soft, and it was shaking a little.|It was no bigger than an apple, and it was shining in the dark.]",
        '["I slipped and fell," said the star. "Can you help me get home?"|"Where am I?" asked the star in a thin voice. "I want to go home."|"I miss my mother, the moon," said the star.]',
        '["Do not cry," said {h}. "I will help you."|"I will bring you back," said {h}, but {hhe} did not know how.|"Of course I will help you," said {h}.]', BREAK,
        "[First, {hhe} {first}. {fail}.|{h} thought for a while. Then {hhe} {first}. {fail}.]",
        "[The light of the star became weaker and weaker.|\"I am getting tired,\" said the star.|{h} did not know what to do.]",
        '["Ask the old {fkind}," whispered the trees.|Then {hhe} had an idea. {hhe} went to {f}, the wise old {fkind}.|Just then, {f}, an old {fkind}, came out of the dark.]',
        '["A star cannot be thrown or carried," said {f}. "It must fly on its own."|"Go up to {height}," said {f}, "and sing a song for it."|"Stars live on joy," said {f}. "Make it laugh, and it will fly."]',
        "[So {h} carried the star to {height}.|At once, {h} took the star and climbed up to {height}.]", BREAK,
        "[There {hhe} told the star the funniest story that {hhe} knew.|Up there, {hhe} sang the song that {hhis} mother always sang.|{hhe} danced and sang and made funny faces.]",
        "[The star began to laugh, and with every laugh it became brighter.|The light became brighter and brighter.|The little star listened, and then it began to shine.]",
        "[Then, slowly, it rose into the air.|Suddenly, it was as light as a feather and flew up into the sky.|Higher and higher it went, until it was back in its place.]",
        '["Thank you!" called the star. "I will shine for you every night."|"Goodbye, my friend," called {h}.|"I will never forget you," said the star.]',
        HOME_END,
        "[||Since then, there has been one star in the sky that shines a little brighter.|And when {h} was sad, {hhe} looked up, and the little star was there.]",
    ]


def riddle(c: Cast):
    c.child("h") if c.rng.random() < 0.6 else c.worker("h")
    ruler = c.pick(["king", "queen"])
    c.vars["k"] = ruler
    c.pronouns("k", ruler == "queen")
    question, answer = c.pick([
        ("What can run but has no legs?", "a river"), ("What gets bigger when you take something away?", "a hole"), ("What has teeth but cannot bite?", "a comb"),
        ("What is yours, but others use it more than you?", "my name"), ("What can you break without touching it?", "a promise"),
        ("What follows you all day and leaves you at night?", "my shadow"), ("What goes up but never comes down?", "my age"), ("What has a neck but no head?", "a bottle"),
    ])
    c.vars.update(question=question, answer=answer)
    c.vars["prize"] = c.pick(["a bag of gold", "a white horse", "a house with a garden", "a golden ring"])
    c.vars["share"] = c.pick(["a new school for the village", "a new roof for the old mill", "bread for everyone", "a well for the village"])
    return [
        OPENING,
        "[In that land, there was a {k} who loved riddles.|The {k} of the land was very clever and loved riddles more than gold.]", BREAK,
        '[{time}, the {k} said, "Whoever can answer my riddle shall have {prize}."|{time}, a rider came to the village. "The {k} has a new riddle," he said. "Whoever can solve it will get {prize}."]',
        "[Many clever people came to the castle, but nobody knew the answer.|Rich men and wise women came from far away, but all of them were wrong.|A hundred people tried, and a hundred people failed.]",
        '["I want to try it too," said {h}.|{h} heard about it and decided to go to the castle.|"You are much too young," said the neighbours, but {h} only smiled.]'.replace("You are much too young", "You are only a simple {hkind}"),
        "[{hhe} put some bread into a bag and went on {hhis} way.|The way to the castle was long, and {h} had time to think.|On the way, {hhe} helped an old woman to carry her wood.]",
        "[{hhe} walked past {place1}, and {hhe} looked at everything with open eyes.|For two days, {hhe} walked over hills and through forests.|]", BREAK,
        "[The castle was big, and the guards looked angry.|In front of the castle stood two tall guards.|At last, {hhe} stood before the {k}.]",
        '["What do you want here?" asked a guard. "I want to answer the riddle," said {h}.|Everyone laughed when they saw {h}.|"Come closer," said the {k}. "Do not be afraid."]',
        '["Here is my riddle," said the {k}. "{question}"|Then the {k} asked, "{question}"]',
        "[{h} was quiet for a while and thought.|{h} looked out of the window and thought about the long way.|It was so quiet that one could hear a fly.]",
        '["I know it," said {h}. "It is {answer}."|Then {h} smiled. "The answer is {answer}," {hhe} said.]',
        "[The {k} jumped up from {khis} chair and clapped.|The {k} began to laugh with joy. \"That is right!\" {khe} said.|For a moment, nobody said a word. Then the {k} smiled. \"You are right,\" {khe} said.]", BREAK,
        '["How did you find the answer?" asked the {k}. "I only looked at the world around me," said {h}.|"You are the first to know it," said the {k}. "Here is your prize."]',
        "[So {h} got {prize}.|The {k} kept the promise and gave {hhim} {prize}.]",
        "[But {hhe} did not keep everything. There was also {share}.|{h} used the prize to pay for {share}.|Back at home, there was soon {share}.]",
        "[||Open eyes are worth more than a thick book.|And sometimes, the {k} came to visit {h}, and they talked about riddles all night.|{HE}]".replace("{HE}", HOME_END),
    ]


def two_on_a_bridge(c: Cast):
    c.animal("h", ["goat", "bear", "badger", "deer", "donkey"])
    c.animal("f", ["goat", "bear", "badger", "deer", "donkey"])
    c.animal("g", ["mouse", "bird", "frog", "squirrel"])
    c.vars["adj"], c.vars["adj2"] = c.pick(["strong", "stubborn", "proud"]), c.pick(["stubborn", "strong", "big"])
    c.vars["trait"] = "All the other animals knew {hhim}."
    return [
        OPENING,
        "[On the other side of the river, the grass was green and sweet.|Every day, {hhe} went over the river to eat the sweet grass.|There was a river with a very small bridge.]", BREAK,
        "[{time}, {h} wanted to cross the bridge. {sky}|{time}, {h} came to the bridge and began to walk over it.]",
        "[At the same time, a {fkind} named {f} came from the other side.|But from the other side came {f}, a {adj2} {fkind}.]",
        "[In the middle of the bridge, they met.|The bridge was so small that there was only room for one.|Soon they stood nose to nose, and neither of them could pass.]",
        '["Go back," said {h}. "I was here first."|"Get out of my way," said {h}.|"Let me pass," said {h}. "I am in a hurry."]',
        '["No, you go back," said {f}. "I was here before you."|"I will not move," said {f}.|"Why should I?" asked {f}. "You can go back too."]',
        "[So they stood there and looked at each other angrily.|They shouted so loud that the fish swam away.|They stood there for an hour, and then for another hour.]", BREAK,
        "[A {gkind} named {g} was sitting on a stone and watched them.|Down by the water sat a {gkind} named {g}.|A little {gkind} heard the noise and came to look. Her name was {g}.]".replace("Her name was {g}.", "It was {g}."),
        '["If you fight, you will both fall into the water," said {g}.|"How silly," said {g}. "You are both wet with sweat, and the grass is still on the other side."|"May I say something?" asked {g}.]',
        "[But they did not listen, and they began to push.|Both of them were too angry to listen. They pushed and pushed.|{h} pushed, and {f} pushed back.]",
        "[The old bridge began to shake, and then, splash, both of them fell into the cold water!|There was a loud crack, and both of them fell into the river.|Suddenly, {h} slipped and pulled {f} down too. Splash!]", BREAK,
        "[They were wet and cold when they climbed out of the river.|The water carried them away, and it took a long time until they could climb out.|Wet from head to foot, they sat on the grass.]",
        '["That was silly of us," said {h}.|They looked at each other and had to laugh.|"I am sorry," said {f}. "I should have gone back."]',
        '["Next time, you go first," said {f}. "No, next time, you go first," said {h}.|"Next time, one of us waits," said {h}, and {f} nodded.|"We could build a bigger bridge," said {h}. "That is a good idea," said {f}.]',
        "[{g} laughed until {ghe} had to hold on to a branch.|From then on, they always let each other pass.|Together, they mended the bridge, and {g} showed them how to do it.]",
        HAPPY_END,
        "[||Those who never give way may end up in the water.|It is often wise to take one step back.]",
    ]


def robot(c: Cast):
    c.child("h") if c.rng.random() < 0.5 else c.worker("h")
    c.vars["f"] = c.pick(["Bolt", "Tin", "Button", "Spark"])
    c.vars["fkind"] = "robot"
    c.vars["job"] = c.pick(["clean the floor", "cook soup", "water the flowers", "carry wood", "wash the dishes"])
    return [
        OPENING,
        "[{hhe} liked machines and could mend almost anything.|In {hhis} room, there were wheels, screws and old clocks everywhere.]", BREAK,
        "[{time}, {h} built a small robot out of old pots and a clock.|{time}, {h} found an old robot behind a shed. It was covered in dust.|After many weeks of work, {h} had built a little robot.]",
        "[{hhe} turned a key, and two lights began to shine.|{h} cleaned it and turned a key. The robot opened its eyes.|When {hhe} pressed a button, the robot began to move.]",
        '["Good day," said the robot. "What is my name?" "Your name is {f}," said {h}.|"I will call you {f}," said {h}. The robot nodded.]',
        "[{f} could {job} and never got tired.|{f} wanted to help and learned to {job}.|Soon {f} could {job} and count to a thousand.]",
        "[But there was one thing that {f} did not understand.|But sometimes, {f} asked strange questions.|One evening, {f} looked at {h} for a long time.]",
        '["Why do you laugh?" asked the robot. "What is it like to be happy?"|"What is a friend?" asked the robot.|"Why is there water in your eyes?" asked the robot, when {h} was sad.]', BREAK,
        "[{h} thought about it. That was not easy to say.|{h} did not know how to answer.|{h} smiled. \"I cannot tell you,\" {hhe} said, \"but I can show you.\"]",
        "[The next day, {hhe} took {f} to {place1}. {view1}.|So they went to {place1} together. {view1}.]",
        '["It is nice here," said {f}, "but I do not feel anything."|{f} counted the leaves and the clouds. "There are many," it said.|The robot looked at everything with its round eyes.]',
        "[On the way back, they saw a little bird that had fallen out of its nest.|Then they heard a small voice. A kitten was sitting in a tree and could not get down.|Suddenly, they saw a mouse that had fallen into a bucket of water.]",
        "[Without a word, {f} stretched out a long arm and helped it.|{f} did not wait. Very carefully, the robot saved the little animal.|The robot had long arms and could reach it easily.]",
        "[The little animal looked at the robot and came very close.|The little animal sat down on the shoulder of the robot and closed its eyes.]", BREAK,
        '["Something is warm inside me," said {f}. "Am I broken?"|"There is a strange feeling in my chest," said {f}. "Do I need oil?"]',
        '["No," said {h}, and {hhe} laughed. "You are happy."|"You are not broken," said {h}. "That is what it feels like to be a friend."]',
        "[{f} was quiet for a while. Then the lights in its eyes became bright.|The robot made a sound that {h} had never heard before. It was laughing!]",
        '["Then I would like to be happy every day," said {f}.|"I understand now," said {f}.|"Can we do it again tomorrow?" asked {f}.]',
        HAPPY_END,
        "[||You are happy when you make others happy.|Even a heart of tin can be warm.]",
    ]


def lighthouse(c: Cast):
    c.child("h")
    c.relative("r")
    c.vars["r"] = c.pick(["grandfather", "father"])
    c.pronouns("r", False)
    c.vars.update(rhe="he", rhim="him", rhis="his")
    c.companion("f", "h")
    c.vars["hhome"] = c.pick(["in a lighthouse by the sea", "on a small island", "near a lighthouse on a rock", "in a white house by the sea"])
    return [
        OPENING,
        "[{hhis} {r} was the keeper of the lighthouse.|{hhis} {r} looked after the big lamp of the lighthouse.]",
        "[Every evening, he lit the lamp so that the ships could find their way.|\"The light must never go out,\" he always said. \"The ships need it.\"]", BREAK,
        "[{time}, {hhis} {r} had to go to the village.|One day, {hhis} {r} hurt his foot and had to stay in bed.|{time}, {hhis} {r} sailed to the village to buy oil and bread.]",
        "[In the evening, a terrible storm came up.|Then the sky became black, and a storm came over the sea.|When it got dark, the wind grew stronger and stronger.]",
        "[The waves were as high as houses.|The rain hit the windows, and the thunder was loud.|The sea was wild and dark.]",
        '["Who will light the lamp?" asked {h}. There was nobody else.|Suddenly, {h} saw that the lamp was dark.|{h} looked up. The big lamp was not burning!]',
        "[Far out on the water, {hhe} saw a small boat.|Then {hhe} heard the horn of a ship, very far away.|Out there, a ship was moving toward the rocks.]", BREAK,
        "[{h} ran up the stairs, one hundred and twenty steps.|{hhe} took a small lantern and ran up the long stairs.|There was no time to lose. {h} climbed up the dark tower.]",
        "[The wind had broken a window, and everything was wet.|The first match went out, and the second one too.|{hhis} hands were so cold that {hhe} could hardly hold the match.]",
        '["I can do it," {hhe} said to {hself}.|"Please burn," {hhe} whispered.|{hhe} thought of the people on the sea and did not give up.]',
        "[At last, there was a small flame, and then a big, bright light.|With the last match, the lamp began to burn.|Then the light went on and shone over the dark water.]",
        "[All night, {h} stayed with the lamp and kept it burning.|{hhe} turned the big lamp with both hands, hour after hour.|{hhe} did not sleep, and {hhe} did not leave the lamp.]", BREAK,
        "[In the morning, the sea was calm.|When the sun came up, the storm was over.]",
        "[A boat came to the shore, and a {fkind} named {f} got out with {fhis} family.|The people of the ship came to the lighthouse. Among them was a {fkind} named {f}.]",
        '["We saw your light," said {f}. "Without it, we would have been lost."|"You saved us," said {f}. "How can we thank you?"]',
        "[{hhis} {r} put his arm around {hhim}. \"I am so proud of you,\" he said.|{hhis} {r} had tears in his eyes. \"Now you are a real keeper of the light,\" he said.]",
        HAPPY_END,
        "[||Even a small hand can light a big lamp.|One light can show the way to many.]",
    ]


def clever_trick(c: Cast):
    c.animal("h", ["mouse", "rabbit", "squirrel", "hedgehog", "bird", "frog"])
    c.animal("f", ["wolf", "fox", "bear", "cat"])
    c.vars["adj"], c.vars["adj2"] = c.pick(["clever", "small", "quick"]), c.pick(["clever", "brave", "cheerful"])
    c.vars["trait"] = "[{hhe} was small, but {hhe} had a clever head.|All the other animals knew {hhim}.]"
    trick, fall = c.pick([
        ("My brother is much bigger than I am. He is sitting in that well", "{f} looked into the well and saw {fhis} own face in the water. {fhe} jumped in with a splash"),
        ("I am too thin today. Wait here until I have eaten all the nuts in that hole", "{f} sat down and waited. {h} went into the hole and came out on the other side of the hill"),
        ("Before you eat me, please sing a song for me. I hear that you have a beautiful voice", "{f} opened {fhis} mouth to sing, and {h} ran away as fast as the wind"),
        ("You may eat me, but first close your eyes and count to ten", "{f} closed {fhis} eyes and counted. When {fhe} opened them, {h} was gone"),
    ])
    c.vars.update(trick=trick, fall=fall)
    return [
        OPENING,
        "[Not far away lived a hungry {fkind} named {f}.|All the small animals were afraid of {f}, a big {fkind}.]", BREAK,
        "[{time}, {h} was looking for food {at1}. {sky}|{time}, {h} went to {place1}. {view1}.]",
        "[{hhe} did not see that {f} was hiding behind a bush.|Suddenly, there was a dark shadow. It was {f}!|Then {f} jumped out and stood in front of {hhim}.]",
        '["Now I have you," said the {fkind}. "You will be my dinner."|"Good morning, my little friend," said {f}. "I am very hungry today."|"You cannot run away," said {f}, and {fhe} showed {fhis} teeth.]',
        "[{h} was very afraid, but {hhe} did not show it.|{hhis} heart was beating fast, but {hhis} head was clear.|\"I must think of something,\" thought {h}.]",
        '["What a pity," said {h} in a calm voice.|"If you must," said {h}, "but I have to tell you something."|{h} smiled. "Of course, dear {f}," {hhe} said.]', BREAK,
        '["{trick}."|{h} looked at the {fkind} and said, "{trick}."]'.replace('["{trick}."|', '[Then {hhe} said, "{trick}."|'),
        '["Is that so?" asked {f}.|{f} was surprised and thought for a moment.|"Very well," said {f}, because {fhe} was not very clever.]',
        "{fall}.",
        "[{h} ran home and laughed all the way.|\"Goodbye!\" called {h}, and {hhe} was already far away.|{h} did not wait to see more. {hhe} ran until {hhe} was safe.]", BREAK,
        "[In the evening, {hhe} told all the other animals about it.|The other animals could not believe it when they heard the story.|That night, all the small animals had a party.]",
        '["How could you be so brave?" they asked. "I was afraid," said {h}, "but I used my head."|"You are small, but you are clever," they said.|"Who is strong is not always right," said an old turtle.]',
        "[{f} was so ashamed that {fhe} went away and never came back.|And {f} never came near {hhim} again.|After that, {f} only ate berries and apples, and in time they even became friends.]",
        "[||A clever head is better than strong teeth.|Even in danger, it is good to stay calm.]",
    ]
